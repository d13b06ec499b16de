// Ctrl-C of an update. The CLI stops what it can, and then waits for its providers, which wait for what
// they have started to be ready, minutes long. So what this update made and what is not ready yet is
// taken away: its provider ends at once, with an error that the state records.
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { label } from "../clone.mjs";

/**
 * Names a file to the program, in which it notes that its update has begun. Until then nothing that is
 * new on the engine is this update's: another may run while this one still asks whether it may.
 */
export const begunVariable = "INFERENCE_STACK_BEGUN";

/**
 * @typedef {object} Begun
 * @property {string} identity of the stack
 * @property {readonly string[]} before what it had when the update began: ids as Docker shows them, 12 characters
 */

/** As Docker shows it. @param {string} id */
export const shortId = (id) => id.slice(0, 12);

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

const declared = ["--filter", `label=${label.declared}`];

/** @param {string} identity of the stack */
const of = (identity) => [...declared, "--filter", `label=${label.clone}=${identity}`];

/** None where the engine manages no Swarm. @param {string} identity */
const listServices = (identity) =>
  docker(["service", "ls", ...of(identity), "--format", "{{.ID}} {{.Replicas}}"]).catch(() => []);

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
 * Ids of Swarm services that have not all their tasks. Pure.
 * @param {readonly string[]} lines "<id> <running>/<wanted>" as `docker service ls` says it
 */
export const incomplete = (lines) =>
  lines.flatMap((line) => {
    const [id = "", running, wanted] = line.split(/[ /]/);
    return running === wanted ? [] : [id];
  });

/**
 * Takes away the containers that are new and not ready.
 * @param {string} identity of the stack
 * @param {ReadonlySet<string>} before
 */
async function sweepContainers(identity, before) {
  const format = ["--format", "{{.ID}} {{.Status}}"];
  const ids = unready(await docker(["ps", "-a", ...of(identity), ...format]), before);
  if (ids.length > 0) await docker(["rm", "-f", "-v", ...ids]);
}

/**
 * Takes away the services that are new and lack a task; one that is being changed goes back to what it was.
 * @param {string} identity of the stack
 * @param {ReadonlySet<string>} before
 */
async function sweepServices(identity, before) {
  const all = await listServices(identity);
  const made = incomplete(all).filter((id) => !before.has(id));
  if (made.length > 0) await docker(["service", "rm", ...made]);
  const state = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}";
  for (const id of all.map((line) => line.split(" ")[0] ?? "").filter((id) => before.has(id))) {
    const [word] = await docker(["service", "inspect", "--format", state, id]);
    if (word === "updating") await docker(["service", "rollback", "--detach", id]);
  }
}

/**
 * Takes away what this update made and what is not ready; nothing where it has not begun.
 * @param {string} file where the program notes that
 */
export async function sweep(file) {
  /** @type {Begun} */
  const { identity, before } = JSON.parse(readFileSync(file, "utf8"));
  const known = new Set(before);
  await sweepContainers(identity, known);
  await sweepServices(identity, known);
}

/**
 * What is to be called when an update is interrupted. It goes on until this process ends: the CLI may
 * just be making one more.
 * @param {string} file where the program notes that the update has begun
 */
export function takeAwayUnready(file) {
  const again = () => {
    void sweep(file)
      .catch(() => undefined)
      .then(() => setTimeout(again, everyMs).unref());
  };
  let sweeping = false;
  return () => {
    if (!sweeping) again();
    sweeping = true;
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
