#!/usr/bin/env node
// `npx pulumi` in this project: prepares the clone, then runs the genuine CLI with the same
// arguments. See environment.mjs, salt.mjs and recover.mjs for what is prepared.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { pulumiCli, pulumiHome } from "../paths.mjs";
import { pulumiEnvironment } from "./environment.mjs";
import { inWords } from "./plan.mjs";
import { clearDeadLocks, inspectStack } from "./recover.mjs";
import { lendSalts, settingsFile, takeSalts } from "./salt.mjs";
import { checkpointFile } from "./state.mjs";

const args = process.argv.slice(2);

if (!existsSync(pulumiCli)) {
  console.error("error: Pulumi is not set up in this clone. Run `npm run setup` first.");
  process.exit(1);
}

const env = { ...process.env, ...pulumiEnvironment() };
/** The local backend of this clone is in use, and not one of the caller's own. */
const ownBackend = process.env["PULUMI_BACKEND_URL"] === undefined;

/** The stack that the arguments name. */
function namedStack() {
  const at = args.findIndex((arg) => arg === "-s" || arg === "--stack");
  if (at >= 0) return args[at + 1];
  return args.find((arg) => arg.startsWith("--stack="))?.slice("--stack=".length);
}

/** The stack that `pulumi stack select` chose in this clone. */
function selectedStack() {
  const dir = join(pulumiHome, "workspaces");
  if (!existsSync(dir)) return undefined;
  for (const name of readdirSync(dir)) {
    const stack = JSON.parse(readFileSync(join(dir, name), "utf8")).stack;
    if (typeof stack === "string" && existsSync(checkpointFile(stack))) return stack;
  }
  return undefined;
}

const needStack = new Set(
  "up update preview pre destroy down refresh config stack watch logs state cancel import".split(
    " ",
  ),
);
const changeStack = new Set(["up", "update", "destroy", "down", "refresh"]);
const looksAtEngine = new Set([...changeStack, "preview", "pre"]);
const takesValue = new Set(["-s", "--stack", "-C", "--cwd", "--color", "-v", "--verbose"]);
const words = args.filter((arg, i) => !arg.startsWith("-") && !takesValue.has(args[i - 1] ?? ""));
const verb = words[0] ?? "";
const asksForHelp = args.includes("--help") || args.includes("-h");
const onlyNamesStack =
  verb === "stack" && ["init", "ls", "rm", "select"].some((w) => args.includes(w));

lendSalts();
let stack;
if (ownBackend && needStack.has(verb) && !asksForHelp) {
  const selected = selectedStack();
  stack = namedStack() ?? selected ?? "dev";
  if (!onlyNamesStack || args.includes("select")) makeStack(stack, selected === undefined);
  if (changeStack.has(verb)) {
    for (const what of clearDeadLocks(stack)) console.error(`inference-stack: ${what}`);
  }
}

/** What the CLI is asked for beyond what the caller asks for. @type {string[]} */
const more = [];
if (stack !== undefined && looksAtEngine.has(verb) && !asksForHelp) {
  const { lost, elsewhere } = inspectStack(stack, env);
  if (elsewhere && !takesOver(stack, elsewhere.found)) {
    takeSalts();
    console.error(
      `error: the stack ${stack} is on the engine ${elsewhere.recorded}, but the one that answers here is ` +
        `${elsewhere.found}: what it has would be left behind there. Set DOCKER_HOST to the address of its ` +
        `engine. If that is gone for good: npx pulumi config set engine ${elsewhere.found} -s ${stack} && ` +
        `npx pulumi up -s ${stack}`,
    );
    process.exit(1);
  }
  if (elsewhere || lost.length > 0) {
    if (lost.length > 0) {
      console.error(
        `inference-stack: ${inWords(lost)} of ${stack} ${lost.length === 1 ? "is" : "are"} gone from the ` +
          `engine (${lost.map(({ name }) => name).join(", ")}): the state is refreshed first`,
      );
    }
    if (!args.includes("--refresh") && !args.includes("-r") && verb !== "refresh")
      more.push("--refresh");
  }
}

const child = spawn(pulumiCli, [...args, ...more], { stdio: "inherit", env });
// The terminal sends its signals to the whole group; others reach only this process.
process.on("SIGINT", () => undefined);
for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP"])) {
  process.on(signal, () => child.kill(signal));
}
child.on("exit", (code, signal) => {
  takeSalts();
  process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0));
});

/**
 * Whether the stack's settings say that it may go over to an engine, because its own is gone for good.
 * @param {string} name
 * @param {string} engine
 */
function takesOver(name, engine) {
  try {
    const said = /^ *inference-stack:engine: *["']?([^"'\s]+)/m;
    return said.exec(readFileSync(settingsFile(name), "utf8"))?.[1] === engine;
  } catch {
    return false;
  }
}

/**
 * Makes a stack that has a settings file but is not in the backend yet.
 * @param {string} name
 * @param {boolean} select
 */
function makeStack(name, select) {
  if (existsSync(checkpointFile(name)) || !existsSync(settingsFile(name))) return;
  const init = ["stack", "init", name, "--non-interactive", ...(select ? [] : ["--no-select"])];
  const made = spawnSync(pulumiCli, init, { env, encoding: "utf8" });
  if (made.status !== 0) {
    takeSalts();
    console.error(`error: the stack ${name} could not be made:\n${made.stderr}`);
    process.exit(made.status ?? 1);
  }
}
