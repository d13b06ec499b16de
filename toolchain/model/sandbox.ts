import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { folderId, label } from "../clone.mjs";
import { SetupError } from "../errors.mjs";
import { run } from "../process.mjs";
import { baseImages } from "../versions.mjs";
import type { Connection } from "./connection.ts";

/** What the Python side is asked to do: see python/main.py. */
export interface Request {
  readonly command: "publish" | "list" | "promote" | "rollback";
  readonly name: string;
  readonly [key: string]: unknown;
}

export interface Job {
  readonly request: Request;
  readonly connection: Connection;
  /** A file or folder to hand in as `model`. */
  readonly model?: string;
  /** A file to hand in as `sample`. */
  readonly sample?: string;
  readonly onProgress: (line: string) => void;
}

const HARDENED = [
  "--read-only",
  "--cap-drop=ALL",
  "--security-opt=no-new-privileges",
  "--log-driver=none",
];
/** The longest a job may take, in ms. */
const PATIENCE_MS = 15 * 60_000;

const code = (name: string): string => join(import.meta.dirname, name);

// The archive is read inside the container, where there is nothing of ours to overwrite.
const BOOT = `import sys, tarfile
tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall("/tmp/job")
sys.path.insert(0, "/tmp/job/code")
import main
main.run("/tmp/job")`;

/**
 * Runs a job in a container of its own: not root, nothing to write on but memory, no capabilities,
 * limited, on a network made for it that leads to MLflow and S3 alone. Container and network are
 * gone afterwards. Returns what the job printed, which is JSON.
 *
 * @throws SetupError with what the job said when it fails.
 */
export async function runInSandbox(job: Job): Promise<unknown> {
  const name = `inference-stack-${folderId}-model-${randomBytes(4).toString("hex")}`;
  const labels = [`--label=${label.folder}=${folderId}`, `--label=${label.part}=converter`];
  const stage = await mkdtemp(join(tmpdir(), "inference-stack-model-"));
  const docker = (...args: string[]): Promise<string> => run("docker", args);
  const cleanUp = async (): Promise<void> => {
    await docker("rm", "--force", `${name}-python`, `${name}-egress`).catch(() => undefined);
    await docker("network", "rm", name).catch(() => undefined);
    await rm(stage, { recursive: true, force: true });
  };
  const interrupted = (): void => {
    void cleanUp().then(() => process.exit(130));
  };
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    // No address of the host on it either: an internal network still has its gateway otherwise.
    await docker(
      ...["network", "create", "--internal", ...labels],
      ...["--opt=com.docker.network.bridge.inhibit_ipv4=true", name],
    );
    await startEgress(`${name}-egress`, name, labels, job.connection);
    await fillStage(stage, job);
    return await python(stage, job, [
      ...["run", "--rm", "--interactive", `--name=${name}-python`, `--network=${name}`, ...labels],
      // Names beyond the network go to an address that is nobody's.
      ...["--dns=192.0.2.1", "--user=10001:10001", ...HARDENED],
      ...["--memory=2g", "--memory-swap=2g", "--cpus=1", "--pids-limit=256"],
      ...["--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=1g,mode=1777", "--shm-size=64m"],
      ...[baseImages.mlflow, "python3", "-c", BOOT],
    ]);
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    await cleanUp();
  }
}

async function startEgress(
  name: string,
  network: string,
  labels: readonly string[],
  { mlflowUrl, s3Url, network: theirs }: Connection,
): Promise<void> {
  const targets = [mlflowUrl, s3Url].filter((each) => each !== undefined).map(hostAndPort);
  await run("docker", [
    ...["create", `--name=${name}`, `--network=${theirs ?? "bridge"}`, ...labels, ...HARDENED],
    ...["--user=65534:65534", "--memory=96m", "--memory-swap=96m", "--pids-limit=64"],
    ...[baseImages.node, "node", "--input-type=module", "--eval"],
    ...[readFileSync(code("egress.mjs"), "utf8"), "--", ...targets],
  ]);
  await run("docker", ["network", "connect", "--alias=egress", network, name]);
  await run("docker", ["start", name]);
}

function hostAndPort(address: string): string {
  const { hostname, port, protocol } = new URL(address);
  return `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`;
}

/** Everything the job needs, to be sent as one archive: nothing secret is an argument or a setting. */
async function fillStage(
  stage: string,
  { request, connection, model, sample }: Job,
): Promise<void> {
  const content = { ...request, connection: { ...connection, proxy: "http://egress:3128" } };
  await writeFile(join(stage, "request.json"), JSON.stringify(content), { mode: 0o600 });
  await symlink(code("python"), join(stage, "code"));
  for (const [folder, path] of Object.entries({ model, sample })) {
    if (path === undefined) continue;
    await mkdir(join(stage, folder));
    await symlink(path, join(stage, folder, basename(path)));
  }
}

function python(stage: string, { onProgress }: Job, args: readonly string[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const archive = spawn(
      "tar",
      ["--create", "--dereference", "--exclude=__pycache__", "--file=-", "--directory", stage, "."],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const container = spawn("docker", args, { stdio: ["pipe", "pipe", "pipe"] });
    const timer = setTimeout(() => container.kill(), PATIENCE_MS);
    // A job that ends before it has read everything is told about by its exit code.
    container.stdin.on("error", () => archive.kill());
    archive.stdout.pipe(container.stdin);
    let out = "";
    let failure = "";
    container.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    let rest = "";
    container.stderr.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        // The message is the last thing said, and may have many lines.
        if (failure !== "" || line.startsWith("error: ")) failure += `${line}\n`;
        else if (line.trim() !== "") onProgress(line);
      }
    });
    container.once("error", reject);
    container.once("close", (status) => {
      clearTimeout(timer);
      if (status === 0) {
        resolve(JSON.parse(out));
        return;
      }
      const said = failure.replace(/^error: /, "").trimEnd();
      const killed = status === 137 ? "it needed more than 2 GB of memory or was killed" : "";
      reject(new SetupError(said || killed || `the converter ended with code ${status ?? "?"}`));
    });
  });
}
