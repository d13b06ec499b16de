// Ctrl-C of an update. The CLI stops what it can, and then waits for its providers, which wait for what
// they have started to be ready, minutes long. So what this update made and what is not ready yet is
// taken away: its provider ends at once, with an error that the state records.
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { cloneId, label } from "../clone.mjs";

const run = promisify(execFile);
const everyMs = 500;
/** ms in which a signal that was sent to a whole process group has reached each process of it. */
const deliveredMs = 200;

/** @param {string[]} args */
async function docker(args) {
  const host = process.env["DOCKER_HOST"] ? [] : ["-H", "unix:///var/run/docker.sock"];
  const { stdout } = await run("docker", [...host, ...args], { timeout: 30_000 });
  return stdout.trim().split("\n").filter(Boolean);
}

/** @param {string} stack */
const ofStack = (stack) =>
  [
    `label=${label.clone}=${cloneId}`,
    `label=${label.stack}=${stack}`,
    `label=${label.declared}`,
  ].flatMap((filter) => ["--filter", filter]);

/** @param {string} stack */
const listing = (stack) => ["ps", "-a", "--no-trunc", ...ofStack(stack), "--format"];

/**
 * Ids of containers that are new since `before` and not ready: without a word on their health they are
 * ending or not started yet. Pure.
 * @param {readonly string[]} lines "<id> <status>" as `docker ps` says it
 * @param {ReadonlySet<string>} before
 */
export const unready = (lines, before) =>
  lines
    .map((line) => ({ id: line.split(" ")[0] ?? "", status: line }))
    .filter(({ id, status }) => !before.has(id) && !status.includes("(healthy)"))
    .map(({ id }) => id);

/**
 * What an interrupted update leaves waiting. `before` are the containers at its start; call the result
 * when it is interrupted. It goes on until this process ends: the CLI may just be making one more.
 * @param {string} stack
 */
export function takeAwayUnready(stack) {
  const before = docker([...listing(stack), "{{.ID}}"]).then(
    (ids) => new Set(ids),
    () => undefined,
  );
  let sweeping = false;
  return () => {
    if (sweeping) return;
    sweeping = true;
    const sweep = async () => {
      const known = await before;
      if (known === undefined) return;
      const found = await docker([...listing(stack), "{{.ID}} {{.Status}}"]);
      const ids = unready(found, known);
      if (ids.length > 0) await docker(["rm", "-f", "-v", ...ids]);
    };
    const again = () => {
      // An engine that does not answer has nothing that could be waited for.
      void sweep()
        .catch(() => undefined)
        .then(() => setTimeout(again, everyMs).unref());
    };
    again();
  };
}

/**
 * Sees to it that a child hears each signal once. A terminal sends its signals to all processes of a
 * group, others only to this one, and the CLI takes a second one for "at once". So another child shows
 * which it was: a signal to the group ends it too.
 * @param {import("node:child_process").ChildProcess} child
 * @param {() => void} onSignal
 */
export function passSignals(child, onSignal) {
  const other = () => {
    // It ends with this process, whose pipe it reads, and it has nothing to say.
    const started = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
    started.on("error", () => undefined);
    started.unref();
    return started;
  };
  let canary = other();
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => {
      onSignal();
      setTimeout(() => {
        if (canary.signalCode === null) child.kill(signal);
        else canary = other();
      }, deliveredMs);
    });
  }
}
