// The service's image in a limited container, for tests of what limits do.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { bundle, contextFolder } from "../../infra/bundle.ts";
import { folderId } from "../../toolchain/clone.mjs";
import { baseImages } from "../../toolchain/versions.mjs";
import { untilReady } from "./process.ts";

const run = promisify(execFile);
/** Of this clone: another one on the same engine makes and removes its own. */
const IMAGE = `inference-stack/service-test-${folderId}`;

const docker = async (...args: string[]): Promise<string> => {
  const { stdout } = await run("docker", args, { maxBuffer: 16 * 1024 * 1024 });
  return stdout.trim();
};

/** Builds the service's image and gives its name. */
export async function buildImage(): Promise<string> {
  const context = contextFolder(await bundle("service"));
  await docker("build", "-q", "--build-arg", `BASE=${baseImages.node}`, "-t", IMAGE, context);
  return IMAGE;
}

export const removeImage = (): Promise<string> => docker("rmi", "-f", IMAGE);

export interface Container {
  readonly id: string;
  readonly url: string;
  /** `GET /metrics` on the listener that the metrics have for themselves. */
  metrics(): Promise<string>;
  /** Sends SIGTERM, waits, and gives the exit code and all it has logged. */
  stop(): Promise<{ exitCode: number; logs: string }>;
}

/** How the image ends with this command, or its own, and nothing told to it; throws when it answers instead. */
export async function endOf(...command: string[]): Promise<{ exitCode: number; stderr: string }> {
  const id = await docker("run", "-d", "--memory", "128m", IMAGE, ...command);
  try {
    const url = await addressOf(id);
    while ((await docker("inspect", "-f", "{{.State.Running}}", id)) === "true") {
      const answers = await fetch(`${url}/readyz`).then(
        () => true,
        () => false,
      );
      if (answers) throw new Error("The container answers.");
    }
    const exitCode = Number(await docker("inspect", "-f", "{{.State.ExitCode}}", id));
    return { exitCode, stderr: (await run("docker", ["logs", id])).stderr };
  } finally {
    await docker("rm", "-f", "-v", id);
  }
}

async function addressOf(id: string): Promise<string> {
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  return `http://${await docker("inspect", "-f", format, id)}:8000`;
}

/** Runs the image as the stack runs it: read-only, without capabilities, limited. Waits until it is ready. */
export async function startContainer(options: {
  cpus: number;
  memory: string;
  environment?: Readonly<Record<string, string>>;
  /** A folder mounted as `/model` and served. */
  model?: string;
  /** More arguments of `docker run`. */
  args?: readonly string[];
}): Promise<Container> {
  const environment = {
    LOG_LEVEL: "error",
    METRICS_PORT: "9000",
    ...(options.environment?.["MLFLOW_URL"] === undefined
      ? { MODEL_FILE: options.model ? "/model" : "embedded" }
      : {}),
    ...options.environment,
  };
  const id = await docker(
    ...["run", "-d", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ...[
      "--cpus",
      String(options.cpus),
      "--memory",
      options.memory,
      "--memory-swap",
      options.memory,
    ],
    ...(options.model ? ["-v", `${options.model}:/model:ro`] : []),
    ...Object.entries(environment).flatMap(([key, value]) => ["-e", `${key}=${value}`]),
    ...(options.args ?? []),
    IMAGE,
  );
  const url = await addressOf(id);
  const stop = async (): Promise<{ exitCode: number; logs: string }> => {
    // It ends by itself, on a busy machine late, or is found out by its exit code.
    await docker("stop", "-t", "120", id);
    const exitCode = Number(await docker("inspect", "-f", "{{.State.ExitCode}}", id));
    const { stdout, stderr } = await run("docker", ["logs", id]);
    await docker("rm", "-f", "-v", id);
    return { exitCode, logs: stdout + stderr };
  };
  try {
    await untilReady(url);
  } catch (error) {
    const { logs } = await stop();
    throw new Error(`The container did not get ready: ${logs.slice(-2000)}`, { cause: error });
  }
  const metrics = async (): Promise<string> =>
    (await fetch(`${url.replace(":8000", ":9000")}/metrics`)).text();
  return { id, url, metrics, stop };
}
