// `npm run loadtest`: drives the stack's own workers inside its network from the host, by way of
// the master's container, and writes the reports here. `--local` loads any host from this machine.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { promisify } from "node:util";
import { hint } from "../infra/hint.ts";
import { label } from "../toolchain/clone.mjs";
import { identityOf, readState } from "../toolchain/launcher/state.mjs";
import { Console, onInterrupt } from "./console.ts";
import type { DriveInput, DriveOutput } from "./drive.ts";
import { exitHelp, flagHelp, pageHelp, parseFlags, type Flags } from "./flags.ts";
import { peakUsers } from "./load.ts";
import { readScenario } from "./scenario/file.ts";
import { readOwnRows } from "./scenario/rows.ts";
import { onToldToEnd } from "./told-to-end.ts";
import { UserError } from "./units.ts";

const help = `Usage: npm run loadtest -- --users 10000 --spawn-rate 500 --run-time 2m

Loads the stack's gateway with the stack's own workers, inside its network. The run can be watched
and changed on the stack's load-test page meanwhile. Ctrl-C stops it gently, twice at once.

      --stack NAME         which stack (dev)
      --local              load --host from this machine instead
      --processes N        with --local: engine processes (1); -1 is one for each core

${flagHelp}
${pageHelp}
  -h, --help

${exitHelp}`;

/** Above this many users the engine's proxy runs out of descriptors: six for each connection. */
const loopbackUsers = 3000;

async function main(args: string[]): Promise<number> {
  const flags = parseFlags(args);
  if (flags.help) {
    console.log(help);
    return 0;
  }
  if (flags.local) return local(flags, args);
  if (flags.page !== null && !flags.page.autostart) {
    console.error(
      "warning: the stack has a page already, on its `bind` and `loadtestPort`, and the run starts at once; --web-host and --web-port are for --local.",
    );
  }
  if (flags.file !== null) flags.request.scenario = await readScenario(flags.file);
  if (flags.data !== null) flags.request.rows = readOwnRows(flags.data);
  const code = await inStack(flags, await masterOf(flags.stack));
  if (flags.autoquit !== null) {
    const seconds = flags.autoquit;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
  return code;
}

async function local({ request }: Flags, args: string[]): Promise<number> {
  if (request.host === null) throw new UserError("With --local, say what to load: --host URL.");
  const users = peakUsers(request.load) ?? 0;
  const { hostname } = new URL(request.host);
  if (users > loopbackUsers && /^(localhost|127\.|\[::1\])/.test(hostname)) {
    console.error(
      `warning: a port that Docker publishes on loopback takes six descriptors a connection, and resets connections from about ${loopbackUsers} users on; without --local the load runs inside the stack's network.`,
    );
  }
  // The engine wants a process of its own: nothing else is then in its event loop.
  const own = args.filter((arg) => arg !== "--local");
  const run = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "run", ...own], {
    // The channel says nothing, but it breaks when this process is killed.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    // A process group of its own: a signal reaches it once, from here, whoever else got it.
    detached: true,
  });
  onToldToEnd(() => run.kill("SIGTERM"));
  const [status] = (await once(run, "exit")) as [number | null];
  return status ?? 1;
}

/** The container of a stack's master. Throws UserError with the next step. */
async function masterOf(stack: string): Promise<string> {
  const identity = identityOf(readState(stack));
  const filters = [
    `label=${label.part}=loadtest`,
    `label=${label.clone}=${identity ?? ""}`,
  ].flatMap((filter) => ["--filter", filter]);
  let ids: string;
  try {
    ids = (await promisify(execFile)("docker", ["ps", "-q", ...filters])).stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    throw new UserError(
      code === "ENOENT"
        ? "There is no docker command here; `npm run setup` makes this machine ready, and --local --host URL loads a host without it."
        : `Docker does not answer (${(stderr ?? "").trim().split("\n")[0]!}); start it, or use --local --host URL.`,
    );
  }
  const id = ids.trim().split("\n")[0]!;
  if (id === "") {
    throw new UserError(
      `The stack ${stack} is not up; bring it up with ${hint.up(stack)}, or use --local --host URL.`,
    );
  }
  return id;
}

async function inStack({ request, outputs }: Flags, container: string): Promise<number> {
  const child = spawn(
    "docker",
    [
      "exec",
      "-i",
      container,
      "node",
      "/app/main.mjs",
      "drive",
      "--settings",
      "/run/loadtest/settings.json",
    ],
    // A process group of its own: Ctrl-C must not cut the way by which the stop is sent.
    { stdio: ["pipe", "pipe", "pipe"], detached: true },
  );
  const say = (line: DriveInput): void => {
    child.stdin.write(`${JSON.stringify(line)}\n`);
  };
  child.stdin.on("error", () => undefined);
  let complaint = "";
  child.stderr.on(
    "data",
    (text: Buffer) => (complaint = (complaint + text.toString()).slice(-2000)),
  );
  const closed = new Promise<void>((resolve) =>
    child.on("close", () => {
      resolve();
    }),
  );
  const terminal = new Console(outputs);
  const restore = onInterrupt(
    () => {
      say({ stop: "gently" });
    },
    () => {
      say({ stop: "now" });
    },
  );
  say({ run: request });
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as DriveOutput;
    if ("refused" in line) throw new UserError(line.refused);
    if ("event" in line) terminal.show(line.event);
  }
  child.stdin.end();
  await closed;
  restore();
  if (terminal.view.ended === undefined) {
    const why = complaint.trim() === "" ? "" : ` It said: ${complaint.trim()}`;
    throw new UserError(`The stack's load test went away before the run had ended.${why}`);
  }
  return terminal.close();
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
