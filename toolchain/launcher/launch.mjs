// What `npx pulumi` does: prepares the clone, then runs the genuine CLI with the same arguments.
// See invocation.mjs, backend.mjs, salt.mjs, pending.mjs and recover.mjs for what is prepared.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { root } from "../clone.mjs";
import { compileCacheDir, pulumiCli } from "../paths.mjs";
import { matchesLockfile } from "../steps/node-packages.mjs";
import { chosen, project, selectedStack } from "./backend.mjs";
import { pulumiEnvironment } from "./environment.mjs";
import { begunVariable, passSignals, takeAwayUnready } from "./interrupt.mjs";
import { parseInvocation, stackOfProject, useOfStack } from "./invocation.mjs";
import { clearDeadLocks } from "./locks.mjs";
import { forgetPending } from "./pending.mjs";
import { advice } from "./plan.mjs";
import { inspectStack, rejoin } from "./recover.mjs";
import { alone, lendSalts, restoreSettings, settingsFile, takeSalts } from "./settings.mjs";
import { checkpointFile } from "./state.mjs";

const args = process.argv.slice(2);

const env = {
  // Half of what it takes to load Pulumi's SDK is compiling it.
  NODE_COMPILE_CACHE: compileCacheDir(),
  ...process.env,
  ...pulumiEnvironment(),
};
const invocation = parseInvocation(args, process.env);
const { ownBackend, ownPassphrase, home } = chosen();
const here = projectFolder(resolve(invocation.cwd ?? ".")) === root;
const selected = selectedStack(home);
const stack = stackOfProject(invocation.stack ?? selected ?? "dev", project);
const lending = { file: invocation.configFile && resolve(invocation.configFile), ownPassphrase };

// A project elsewhere, or a backend of the caller's, is theirs: none of this is done to it.
const use = here ? useOfStack(invocation) : "nothing";
// As after an update of the project: it would fail in words of its own, or build something else.
const runsProgram = use !== "nothing" && ["up", "preview"].includes(invocation.verb);
if (runsProgram && !matchesLockfile(root)) {
  console.error(
    "error: the Node packages here are not those that package-lock.json names. Run `npm run setup`, then this again.",
  );
  process.exit(1);
}
const lends = ownBackend && use !== "nothing";
if (lends) prepareStack();
else if (here) leaveSettings();

/** What the CLI is asked for beyond what the caller asks for. @type {string[]} */
const more = [];
const looksAtEngine = new Set(["up", "preview", "refresh", "destroy"]);
/** As its backend knows it: on another one than the clone's own, perhaps with an organization. */
const known = ownBackend ? stack : (invocation.stack ?? selected);
if (here && known !== undefined && use !== "nothing" && looksAtEngine.has(invocation.verb)) {
  const { verb } = invocation;
  const inspection = inspectStack(known, env);
  const todo = advice({ stack: stack ?? known, verb, allowed: allowedEngine(stack), inspection });
  if (todo.refusal !== undefined) {
    if (lends) takeSalts();
    console.error(`error: ${todo.refusal}`);
    process.exit(1);
  }
  if (todo.note !== undefined) console.error(`inference-stack: ${todo.note}`);
  if (todo.rejoin) rejoin(known, env);
  if (todo.refresh && !invocation.refresh) more.push("--refresh");
}

const notes = mkdtempSync(join(tmpdir(), "inference-stack-"));
process.once("exit", () => rmSync(notes, { recursive: true, force: true }));
const begun = join(notes, "begun.json");
const child = spawn(pulumiCli, [...args, ...more], {
  stdio: "inherit",
  env: { ...env, [begunVariable]: begun },
});
passSignals(child, invocation.verb === "up" ? takeAwayUnready(begun) : () => undefined);
child.on("exit", (code, signal) => {
  if (lends) takeSalts();
  process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0));
});

/** On the clone's own backend: the stack made, its salt lent, what a killed run left cleared. */
function prepareStack() {
  lendSalts(stack, lending);
  if (stack === undefined || use === "names") return;
  makeStack(stack);
  if (use !== "changes") return;
  for (const what of clearDeadLocks(stack)) console.error(`inference-stack: ${what}`);
  // Of the commands that change a stack, those that take away what was made in vain.
  if (!["up", "destroy"].includes(invocation.verb)) return;
  for (const what of forgetPending(stack, env)) console.error(`inference-stack: ${what}`);
}

/** On a backend of the caller's: the settings as they are committed, or a sentence why not. */
function leaveSettings() {
  const [lent] = restoreSettings();
  if (lent === undefined || use === "nothing") return;
  console.error(
    `error: ${lent} has the salt of this clone's own backend while a pulumi that uses that one runs. Wait for it to end, then run this again.`,
  );
  process.exit(1);
}

/**
 * The folder of the project that the CLI finds from here.
 * @param {string} from
 * @returns {string | undefined}
 */
function projectFolder(from) {
  const found = ["yaml", "yml", "json"].some((end) => existsSync(join(from, `Pulumi.${end}`)));
  if (found) return realpathSync(from);
  return dirname(from) === from ? undefined : projectFolder(dirname(from));
}

/**
 * The engine that a stack's settings say it may go over to, because its own is gone for good.
 * @param {string | undefined} name
 */
function allowedEngine(name) {
  if (name === undefined || !existsSync(settingsFile(name))) return undefined;
  const said = /^ *inference-stack:engine: *["']?([^"'\s]+)/m;
  return said.exec(readFileSync(settingsFile(name), "utf8"))?.[1];
}

/**
 * Makes a stack that has a settings file but is not in the backend yet.
 * @param {string} name
 */
function makeStack(name) {
  if (existsSync(checkpointFile(name)) || !existsSync(settingsFile(name))) return;
  const select = selected === undefined ? [] : ["--no-select"];
  const init = ["stack", "init", name, "--non-interactive", ...select];
  const made = alone(() =>
    existsSync(checkpointFile(name)) // by a run beside this one
      ? undefined
      : spawnSync(pulumiCli, init, { cwd: root, env, encoding: "utf8" }),
  );
  if (made !== undefined && made.status !== 0) {
    takeSalts();
    console.error(`error: the stack ${name} could not be made:\n${made.stderr}`);
    process.exit(made.status ?? 1);
  }
  lendSalts(name, lending); // it has one now
}
