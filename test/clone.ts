import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { root, stateDir } from "../toolchain/clone.mjs";
import { identityOf, type Resource, type State } from "../toolchain/launcher/state.mjs";
import { freePort } from "./port.ts";

export interface Result {
  readonly code: number;
  /** Both streams, as they came. */
  readonly output: string;
  readonly stdout: string;
}

/** A copy of the project as a newcomer has it: what git tracks, and nothing that was made here. */
export interface Clone {
  readonly dir: string;
  /** The identity of the stack that it has up, or had up last: one at a time. */
  readonly id: string;
  /** That of a stack that it has up beside others. */
  identity(stack: string): string | undefined;
  /** What the state of a stack records; undefined where there is none. */
  state(stack: string): State | undefined;
  /** Leaves it running, in a process group of its own; both its streams are pipes. */
  start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** In its folder, unless told. */
  run(
    command: string,
    args: readonly string[],
    env?: NodeJS.ProcessEnv,
    cwd?: string,
  ): Promise<Result>;
  pulumi(...args: string[]): Promise<Result>;
  /** Ids of this clone's containers of a part. */
  containers(part: string): string[];
  remove(): void;
}

const logs = join(stateDir, "artifacts");

/** A newcomer's path: without the Node of the project that runs this test. */
const path = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((dir) => !dir.includes("node_modules"))
  .join(delimiter);

/** Runs to its end; its output is kept in a log beside the test's other artefacts. */
function run(
  cwd: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, PATH: path, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => {
      mkdirSync(logs, { recursive: true });
      const log = `$ ${command} ${args.join(" ")}\n${output}\nexit ${code ?? "by signal"}\n\n`;
      appendFileSync(join(logs, "commands.log"), log);
      resolve({ code: code ?? 1, output, stdout });
    });
  });
}

export const docker = (...args: string[]): string =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** Lines of a docker listing. */
export const dockerLines = (...args: string[]): string[] =>
  docker(...args)
    .split("\n")
    .filter(Boolean);

/** Where a backend in a folder keeps its stacks. */
const stacksOf = (backend: string) => join(backend, ".pulumi", "stacks", "inference-stack");

/** What the state of a stack records, as the file of a backend in a folder has it. */
function stateIn(backend: string, stack: string): State | undefined {
  const file = join(stacksOf(backend), `${stack}.json`);
  if (!existsSync(file)) return undefined;
  const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as {
    checkpoint: { latest?: { resources?: State } };
  };
  return checkpoint.latest?.resources ?? [];
}

/** The identity of a stack that is up, of any unless named, as a backend in a folder has it. */
export function identityIn(backend: string, stack?: string): string | undefined {
  if (!existsSync(stacksOf(backend))) return undefined;
  const all = readdirSync(stacksOf(backend)).filter((name) => name.endsWith(".json"));
  const names = stack === undefined ? all.map((name) => name.slice(0, -".json".length)) : [stack];
  return names
    .map((name) => identityOf(stateIn(backend, name)))
    .find((found) => found !== undefined);
}

/**
 * Writes another state of a clone's dev stack, as another version would have left it.
 * @param without names of resources that it does not have
 */
export function editState(
  { dir }: Pick<Clone, "dir">,
  without: readonly string[],
  change: (resource: Resource) => Resource,
): void {
  const file = join(stacksOf(join(dir, ".state", "backend")), "dev.json");
  const text = JSON.parse(readFileSync(file, "utf8")) as {
    checkpoint: { latest: { resources: Resource[] } };
  };
  const { latest } = text.checkpoint;
  const gone = ({ urn }: Resource) => without.includes(urn.split("::").at(-1) ?? "");
  const urns = new Set(latest.resources.filter(gone).map(({ urn }) => urn));
  const known = latest.resources.filter((resource) => !urns.has(resource.urn)).map(change);
  // Nobody depends on what is not there.
  const forget = (_: string, value: unknown) =>
    Array.isArray(value) ? value.filter((each) => !urns.has(each as string)) : value;
  latest.resources = JSON.parse(JSON.stringify(known, forget)) as Resource[];
  writeFileSync(file, JSON.stringify(text));
}

/** Folders that npm fills. */
const packages = ["node_modules", "toolchain/upstream/node_modules"];

/**
 * Puts a clone's dev stack on free ports, so that others may run beside it, and sets what else is given.
 * @returns the API's address
 */
export async function onFreePorts(
  { dir }: Pick<Clone, "dir">,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const [apiPort, loadtestPort] = [String(await freePort()), String(await freePort())];
  const lines = Object.entries({ apiPort, loadtestPort, ...more }).map(
    ([key, value]) => `  inference-stack:${key}: ${JSON.stringify(value)}\n`,
  );
  appendFileSync(join(dir, "Pulumi.dev.yaml"), lines.join(""));
  return `http://127.0.0.1:${apiPort}`;
}

/**
 * A clone of what is here, committed or not.
 * @param bare without the npm packages of this one, which are else its own by hard links: to install them
 *   takes more of a test's time than what it tests
 */
export function freshClone(name: string, { bare = false } = {}): Clone {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), `inference-stack-${name}-`)));
  const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
  });
  for (const file of files.split("\0").filter((path) => path && existsSync(join(root, path)))) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    cpSync(join(root, file), join(dir, file));
  }
  for (const folder of bare ? [] : packages.filter((each) => existsSync(join(root, each)))) {
    // Within one file system; else its set-up installs them.
    spawnSync("cp", ["-al", join(root, folder), join(dir, folder)], { stdio: "ignore" });
  }
  const git = (...args: string[]) => {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    execFileSync("git", [...identity, ...args], { cwd: dir, stdio: "ignore" });
  };
  git("init", "-q");
  git("add", "-A");
  git("commit", "-qm", "a fresh clone");
  const backend = join(dir, ".state", "backend");
  let last = "of-no-stack";
  const identity = () => (last = identityIn(backend) ?? last);
  const noting = async (...given: Parameters<typeof run>): Promise<Result> => {
    const result = await run(...given);
    identity();
    return result;
  };
  return {
    dir,
    get id() {
      return identity();
    },
    identity: (stack) => identityIn(backend, stack),
    state: (stack) => stateIn(backend, stack),
    start: (command, args, env) =>
      spawn(command, args, {
        cwd: dir,
        env: { ...process.env, PATH: path, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      }),
    run: (command, args, env, cwd = dir) => noting(cwd, command, args, env),
    pulumi: (...args) =>
      noting(dir, join(dir, "node_modules", ".bin", "pulumi"), ["--non-interactive", ...args]),
    containers: (part) =>
      dockerLines(
        ...["ps", "-q", "--no-trunc", "--filter", `label=inference-stack.clone=${identity()}`],
        ...["--filter", `label=inference-stack.part=${part}`],
      ),
    remove: () => {
      if (existsSync(join(dir, "node_modules"))) {
        spawnSync("npm", ["run", "-s", "down"], { cwd: dir, stdio: "ignore" });
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/**
 * Brings up a fresh stack as a careful person does: previewed first, when nothing of it is known yet and
 * providers are at their strictest.
 *
 * @returns of `up`, or of the preview where that failed
 */
export async function bringUp(clone: Pick<Clone, "pulumi">, ...flags: string[]): Promise<Result> {
  const preview = await clone.pulumi("preview", ...flags);
  return preview.code === 0 ? clone.pulumi("up", "--yes", "--skip-preview", ...flags) : preview;
}

/** What of a clone is on the engine. */
export function leftovers(id: string): string[] {
  const mine = ["--filter", `label=inference-stack.clone=${id}`];
  return [
    ...dockerLines("ps", "-aq", ...mine),
    ...dockerLines("network", "ls", "-q", ...mine),
    ...dockerLines("volume", "ls", "-q", ...mine),
    ...dockerLines("images", "-aq", ...mine),
  ];
}
