// After `kill -9` of an `up`, the backend is still locked, and a container may exist that the state
// does not know and that holds the port. Both are cleared here, and nothing else: a lock only when
// the process on this host that took it is dead, a resource only when it carries this clone's
// label, was declared by the program, and is in no state file.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { cloneId, label } from "../clone.mjs";
import { backendDir } from "./environment.mjs";

const project = "inference-stack";
const locksDir = (/** @type {string} */ stack) =>
  join(backendDir, ".pulumi", "locks", "organization", project, stack);

/** @param {string} stack */
export const checkpointFile = (stack) =>
  join(backendDir, ".pulumi", "stacks", project, `${stack}.json`);

/** @param {number} pid */
function isPulumi(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("pulumi");
  } catch {
    try {
      process.kill(pid, 0);
      return true; // no /proc here: a living process is taken for the holder
    } catch {
      return false;
    }
  }
}

/**
 * Removes locks whose holder on this host is dead.
 * @param {string} stack
 * @returns {string[]} what was done, a sentence each
 */
export function clearDeadLocks(stack) {
  if (!existsSync(locksDir(stack))) return [];
  return readdirSync(locksDir(stack)).flatMap((name) => {
    const file = join(locksDir(stack), name);
    let holder;
    try {
      holder = JSON.parse(readFileSync(file, "utf8"));
    } catch {
      return [];
    }
    if (holder.hostname !== hostname() || isPulumi(holder.pid)) return [];
    rmSync(file, { force: true });
    return [`cleared the lock of process ${holder.pid}, which is gone`];
  });
}

/** @param {string[]} args */
function docker(args) {
  const host = process.env["DOCKER_HOST"] ? [] : ["-H", "unix:///var/run/docker.sock"];
  return execFileSync("docker", [...host, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 60_000,
  });
}

/**
 * Removes what the program made for this stack but the state does not record.
 * @param {string} stack
 * @returns {string[]} what was done, a sentence each
 */
export function removeUnrecorded(stack) {
  if (!existsSync(checkpointFile(stack))) return [];
  const state = readFileSync(checkpointFile(stack), "utf8");
  const filters = [
    `label=${label.clone}=${cloneId}`,
    `label=${label.stack}=${stack}`,
    `label=${label.declared}`,
  ].flatMap((filter) => ["--filter", filter]);
  /** @type {string[]} */
  const done = [];
  /** @type {(kind: "container" | "service" | "secret" | "network", list: string[], remove: string[]) => void} */
  const sweep = (kind, list, remove) => {
    for (const line of docker([...list, ...filters]).split("\n")) {
      const [id, name] = line.split(" ");
      if (!id || state.includes(id)) continue;
      docker([...remove, id]);
      done.push(`removed the ${kind} ${name}, which no state records`);
    }
  };
  try {
    sweep(
      "container",
      ["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
      ["rm", "-f", "-v"],
    );
    if (docker(["info", "--format", "{{.Swarm.ControlAvailable}}"]).trim() === "true") {
      sweep("service", ["service", "ls", "--format", "{{.ID}} {{.Name}}"], ["service", "rm"]);
      sweep("secret", ["secret", "ls", "--format", "{{.ID}} {{.Name}}"], ["secret", "rm"]);
    }
    const networks = ["network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"];
    sweep("network", networks, ["network", "rm"]);
  } catch {
    // No engine, or one that is busy: the program says so itself, in its own words.
  }
  return done;
}
