// What an update that was killed had begun, as the CLI has noted it in the state. The CLI keeps the notes of
// what was being made for good, and warns of them at each update, because it cannot know what became of it.
// Here that is known: what no state records is found on the engine by its labels, and taken away.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { root } from "../clone.mjs";
import { pulumiCli } from "../paths.mjs";
import { heldLocks } from "./locks.mjs";
import { checkpointFile } from "./state.mjs";

/**
 * How many operations a stack's file has noted as begun. Pure.
 * @param {{ checkpoint?: { latest?: { pending_operations?: readonly unknown[] } } }} file
 */
export const pendingIn = ({ checkpoint }) => checkpoint?.latest?.pending_operations?.length ?? 0;

/**
 * Has the CLI drop these notes: it does so whenever a state is imported.
 * @param {string} stack on the clone's own backend, with its salt lent
 * @param {NodeJS.ProcessEnv} env of the CLI
 * @returns {string[]} what was done, a sentence each
 */
export function forgetPending(stack, env) {
  const file = checkpointFile(stack);
  if (heldLocks(stack) > 0) return []; // it may be just doing them
  const count = existsSync(file) ? pendingIn(JSON.parse(readFileSync(file, "utf8"))) : 0;
  if (count === 0) return [];
  const cli = (/** @type {string} */ verb, /** @type {string | undefined} */ input) =>
    execFileSync(pulumiCli, ["stack", verb, "--stack", stack, "--non-interactive"], {
      ...{ cwd: root, env, input, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 },
      stdio: ["pipe", "pipe", "pipe"],
    });
  try {
    cli("import", cli("export", undefined));
  } catch {
    return []; // they stay, and the CLI warns of them
  }
  return [
    `forgot ${count} ${count === 1 ? "operation" : "operations"} that a killed update had begun: what they made is looked for on the engine`,
  ];
}
