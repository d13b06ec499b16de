import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { folderId, label } from "../clone.mjs";
import { SetupError } from "../errors.mjs";
import { run } from "../process.mjs";
import { baseImages } from "../versions.mjs";
import type { Connection } from "./connection.ts";

/** What the Python side is asked to do: see python/main.py. */
export interface Request {
  readonly command: "publish" | "check" | "list" | "promote" | "rollback" | "export" | "import";
  /** The registered model; for a backup all of them without it. */
  readonly name: string | undefined;
  readonly [key: string]: unknown;
}

export interface Job {
  readonly request: Request;
  /** None where no registry is asked; there is no network then. */
  readonly connection: Connection | undefined;
  /** A file or folder to hand in as `model`. */
  readonly model?: string;
  /** A file to hand in as `sample`. */
  readonly sample?: string;
  /** A backup to hand in, which is read as a stream: once to check it, once more to import it. */
  readonly backup?: string;
  /** Where an exported backup is written to. */
  readonly output?: Writable;
  readonly onProgress: (line: string) => void;
}

const HARDENED = [
  "--read-only",
  "--cap-drop=ALL",
  "--security-opt=no-new-privileges",
  "--log-driver=none",
];
/** The longest a job may take, in ms; one with a backup, from one thing that it says to the next. */
const PATIENCE_MS = 15 * 60_000;

const EGRESS = "http://egress:3128";
/** MLflow's client makes records of its own where it has no address, even if nothing is asked of it. */
const NOWHERE = { mlflowUrl: "http://mlflow.invalid" };

/** What the result begins with where standard output is a backup. */
const RESULT = "result: ";

const code = (name: string): string => join(import.meta.dirname, name);

// The archive is read inside the container, where there is nothing of ours to overwrite. A backup is
// its last members, and may be larger than the memory that there is to write on.
const BOOT = `import sys, tarfile
job = tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
while (member := job.next()) and not member.name.startswith("backup"):
    job.extract(member, "/tmp/job")
def passes(member):
    while member:
        yield job.extractfile(member)
        member = job.next()
sys.path.insert(0, "/tmp/job/code")
import main
main.run("/tmp/job", passes(member))`;

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
    if (job.connection !== undefined) {
      // No address of the host on it either: an internal network still has its gateway otherwise.
      await docker(
        ...["network", "create", "--internal", ...labels],
        ...["--opt=com.docker.network.bridge.inhibit_ipv4=true", name],
      );
      await startEgress(`${name}-egress`, name, labels, job.connection);
    }
    const staged = await fillStage(stage, job);
    return await python(stage, staged, job, [
      ...["run", "--rm", "--interactive", `--name=${name}-python`, ...labels],
      `--network=${job.connection === undefined ? "none" : name}`,
      // Names beyond the network go to an address that is nobody's.
      ...["--dns=192.0.2.1", "--user=10001:10001", ...HARDENED],
      ...["--memory=2g", "--memory-swap=2g", "--cpus=1", "--pids-limit=1024"],
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

/**
 * Everything the job needs, to be sent as one archive: nothing secret is an argument or a setting.
 * Returns the names of what is there in the order to be sent.
 */
async function fillStage(
  stage: string,
  { request, connection, model, sample, backup }: Job,
): Promise<string[]> {
  const reached = connection === undefined ? NOWHERE : { ...connection, proxy: EGRESS };
  const content = { ...request, connection: reached };
  await writeFile(join(stage, "request.json"), JSON.stringify(content), { mode: 0o600 });
  await symlink(code("python"), join(stage, "code"));
  const names = ["code", "request.json"];
  for (const [folder, path] of Object.entries({ model, sample })) {
    if (path === undefined) continue;
    await mkdir(join(stage, folder));
    await symlink(path, join(stage, folder, basename(path)));
    names.push(folder);
  }
  for (const name of backup === undefined ? [] : ["backup-to-check", "backup-to-import"]) {
    await symlink(backup ?? "", join(stage, name));
    names.push(name);
  }
  return names;
}

function python(
  stage: string,
  staged: readonly string[],
  { onProgress, backup, output }: Job,
  args: readonly string[],
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const archive = spawn(
      "tar",
      [
        // The same backup twice is no link.
        ...["--create", "--dereference", "--hard-dereference", "--exclude=__pycache__"],
        ...["--file=-", "--directory", stage, ...staged],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const container = spawn("docker", args, { stdio: ["pipe", "pipe", "pipe"] });
    const timer = setTimeout(() => container.kill(), PATIENCE_MS);
    // A job that ends before it has read everything is told about by its exit code.
    container.stdin.on("error", () => archive.kill());
    archive.stdout.pipe(container.stdin);
    let out = "";
    let failure = "";
    let unwritten: Error | undefined;
    const written = output
      ? pipeline(container.stdout, output).catch((cause: unknown) => {
          unwritten = cause as Error;
          container.kill();
        })
      : container.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    let rest = "";
    container.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (backup !== undefined || output) timer.refresh();
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        // The message is the last thing said, and may have many lines.
        if (failure !== "" || line.startsWith("error: ")) failure += `${line}\n`;
        else if (output && line.startsWith(RESULT)) out = line.slice(RESULT.length);
        else if (line.trim() !== "") onProgress(line);
      }
    });
    container.once("error", reject);
    const ended = async (status: number | null): Promise<unknown> => {
      clearTimeout(timer);
      await written;
      if (unwritten) throw new SetupError(`it cannot be written: ${unwritten.message}`);
      if (status === 0) return JSON.parse(out);
      const said = failure.replace(/^error: /, "").trimEnd();
      const killed = status === 137 ? "it needed more than 2 GB of memory or was killed" : "";
      throw new SetupError(said || killed || `the converter ended with code ${status ?? "?"}`);
    };
    container.once("close", (status) => {
      ended(status).then(resolve, reject);
    });
  });
}
