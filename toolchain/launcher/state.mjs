// What a stack's Pulumi state records, as much of it as is looked at outside of Pulumi: who the stack
// is, which engine it is on, and the ids of what it has there.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { label, root } from "../clone.mjs";
import { pulumiCli } from "../paths.mjs";
import { backendDir, chosen, project } from "./backend.mjs";

/**
 * @typedef {object} Resource
 * @property {string} urn
 * @property {string} type
 * @property {string} [id] on the engine, or of the Command
 * @property {Record<string, unknown>} [inputs]
 * @property {Record<string, unknown>} [outputs]
 *
 * @typedef {readonly Resource[]} State
 */

/** The own backend's file of a stack. @param {string} stack */
export const checkpointFile = (stack) =>
  join(backendDir, ".pulumi", "stacks", project, `${stack}.json`);

/** Where the own backend keeps a stack's locks. @param {string} stack */
export const locksDir = (stack) =>
  join(backendDir, ".pulumi", "locks", "organization", project, stack);

/** Whether the local backend of this clone is in use, and not one of the caller's own. */
export const ownBackend = (env = process.env) => chosen(env).ownBackend;

/**
 * What the state of a stack records; undefined where there is no such stack.
 * @param {string} stack its name, or `organization/project/name`
 * @param {NodeJS.ProcessEnv} env of the Pulumi CLI, where the backend is not this clone's
 * @returns {State | undefined}
 * @throws where another backend does not answer
 */
export function readState(stack, env = process.env) {
  const file = checkpointFile(stack.split("/").at(-1) ?? stack);
  if (ownBackend(env)) {
    if (!existsSync(file)) return undefined;
    return JSON.parse(readFileSync(file, "utf8")).checkpoint?.latest?.resources ?? [];
  }
  // Without a set-up there may be one of the caller's.
  const cli = existsSync(pulumiCli) ? pulumiCli : "pulumi";
  const text = execFileSync(cli, ["stack", "export", "--stack", stack, "--non-interactive"], {
    cwd: root,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 256 * 1024 * 1024,
    timeout: 60_000,
  });
  return JSON.parse(text).deployment?.resources ?? [];
}

/** @param {State | undefined} state @param {string} name of one of the program's Commands */
function printed(state, name) {
  const found = state?.find(
    ({ type, urn }) => type === "command:local:Command" && urn.endsWith(`::${name}`),
  );
  const stdout = found?.outputs?.["stdout"];
  return typeof stdout === "string" && stdout !== "" ? stdout : undefined;
}

/**
 * Who the stack is: in the names and labels of all that it has on the engine.
 * @param {State | undefined} state
 */
export const identityOf = (state) => recordedIdentity(state) ?? earlierIdentity(state);

/** The same where a state says it by itself: no other stack has it. @param {State | undefined} state */
export const recordedIdentity = (state) => printed(state, "identity");

/**
 * The same of a state from before, which has it in the labels alone. It was the folder's then, so that all
 * stacks of one folder have it.
 * @param {State | undefined} state
 * @returns {string | undefined}
 */
export function earlierIdentity(state) {
  for (const { inputs } of state ?? []) {
    const labels = inputs?.["labels"];
    if (!Array.isArray(labels)) continue;
    const found = labels.find((entry) => entry?.label === label.clone)?.value;
    if (typeof found === "string" && found !== "") return found;
  }
  return undefined;
}

/** The engine that it is on, by the id that the engine has given itself. @param {State | undefined} state */
export const engineOf = (state) => printed(state, "engine");

/**
 * Who made the Swarm that the stack is on; undefined where it is on none, or one on somebody's network.
 * @param {State | undefined} state
 * @returns {"made" | "found" | undefined} the stack itself, or somebody else
 */
export function swarmOf(state) {
  const said = printed(state, "swarm");
  return said === "made" || said === "found" ? said : undefined;
}
