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
const containers = (stack) => ["ps", "-a", "--no-trunc", ...ofStack(stack), "--format"];

/** @param {string} stack */
const services = (stack) => ["service", "ls", ...ofStack(stack), "--format"];

/**
 * Nothing where the engine manages no Swarm.
 * @param {string} stack
 * @param {string} format
 */
const listServices = (stack, format) => docker([...services(stack), format]).catch(() => []);

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
 * @param {string} stack
 * @param {ReadonlySet<string>} before
 */
async function sweepContainers(stack, before) {
  const ids = unready(await docker([...containers(stack), "{{.ID}} {{.Status}}"]), before);
  if (ids.length > 0) await docker(["rm", "-f", "-v", ...ids]);
}

/**
 * Takes away the services that are new and lack a task; one that is being changed goes back to what it was.
 * @param {string} stack
 * @param {ReadonlySet<string>} before
 */
async function sweepServices(stack, before) {
  const all = await listServices(stack, "{{.ID}} {{.Replicas}}");
  const made = incomplete(all).filter((id) => !before.has(id));
  if (made.length > 0) await docker(["service", "rm", ...made]);
  const state = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}";
  for (const id of all.map((line) => line.split(" ")[0] ?? "").filter((id) => before.has(id))) {
    const [word] = await docker(["service", "inspect", "--format", state, id]);
    if (word === "updating") await docker(["service", "rollback", "--detach", id]);
  }
}

/**
 * What an interrupted update leaves waiting, against what is there now; call the result when it is
 * interrupted. It goes on until this process ends: the CLI may just be making one more.
 * @param {string} stack
 */
export function takeAwayUnready(stack) {
  const before = Promise.all([
    docker([...containers(stack), "{{.ID}}"]),
    listServices(stack, "{{.ID}}"),
  ]).then((ids) => new Set(ids.flat()));
  // Told of where it is used: without an engine nobody waits.
  before.catch(() => undefined);
  let sweeping = false;
  const sweep = async () => {
    const known = await before;
    await sweepContainers(stack, known);
    await sweepServices(stack, known);
  };
  const again = () => {
    void sweep()
      .catch(() => undefined)
      .then(() => setTimeout(again, everyMs).unref());
  };
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
