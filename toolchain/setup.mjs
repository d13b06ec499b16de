#!/usr/bin/env node
// Makes a machine ready: Node packages, a Docker engine, Pulumi with its plugins, base images.
// Runs on any Node from 18, before anything is installed.

import { readCommand } from "./command.mjs";
import { SetupError, messageOf } from "./errors.mjs";
import { endChildren } from "./process.mjs";
import { forcedSource, sources } from "./source.mjs";
import { dockerEngine } from "./steps/docker-engine.mjs";
import { images, knownRecipes, recipeNames } from "./steps/images.mjs";
import { nodePackages } from "./steps/node-packages.mjs";
import { checkCli, pulumi } from "./steps/pulumi.mjs";
import { runTasks } from "./tasks.mjs";

/** @typedef {import("./tasks.mjs").Outcome} Outcome */

const help = `Usage: npm run setup [-- options]

Makes this machine ready for the stack: Node packages, a Docker engine, Pulumi with its plugins,
base images. What is there already is kept; a second run takes seconds.

  --yes            install Debian packages (docker.io, debootstrap) without asking; so does CI=1
  --images a,b     only these images, of: NAMES
  --help           this text

TOOLCHAIN_SOURCE=${sources.join("|")} forces where pieces come from. Without it each comes by
download where that can be reached, else it is built from package registries.
`;

/** @param {string[]} args */
async function main(args) {
  const { yes, help: wantsHelp, images: names } = options(args);
  if (wantsHelp) {
    console.log(help.replace("NAMES", (await recipeNames()).join(", ")));
    return;
  }
  const started = Date.now();
  const forced = forcedSource(process.env.TOOLCHAIN_SOURCE);
  const consent = { yes };
  if (names) await knownRecipes(names);

  const installed = await nodePackages(say);
  say(`Node packages: ${installed ? "installed" : "as the lockfile has them"}`);
  say(`Docker engine: ${await dockerEngine(consent, say)}`);

  const plans = [];
  if (!names) plans.push(await pulumi(forced, say));
  plans.push(await images(names, forced, consent, say));
  const outcomes = [
    ...plans.flatMap(({ done }) => done),
    ...(await runTasks(plans.flatMap(({ tasks }) => tasks))),
  ];
  if (!names) await checkCli();
  console.log(table(outcomes));
  console.log(`ready, after ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** @param {string[]} args */
function options(args) {
  try {
    const { values } = readCommand("setup", {
      args,
      options: {
        yes: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        images: { type: "string" },
      },
    });
    return {
      yes: values.yes,
      help: values.help,
      images: values.images?.split(",").filter(Boolean),
    };
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

class UsageError extends SetupError {}

/** @param {string} line */
function say(line) {
  console.log(line);
}

/** @param {Outcome[]} outcomes */
function table(outcomes) {
  const rows = outcomes.map(({ piece, source, bytes, seconds, kept }) => [
    piece,
    source,
    `${(bytes / 1e6).toFixed(0)} MB`,
    kept ? "kept" : `${seconds.toFixed(1)} s`,
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}

for (const [signal, code] of /** @type {[NodeJS.Signals, number][]} */ ([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
])) {
  process.once(signal, () => {
    endChildren();
    console.error("stopped; what was finished is kept, the rest is begun anew by the next run");
    process.exit(code);
  });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  endChildren();
  console.error(error instanceof SetupError ? `setup: ${error.message}` : error);
  process.exit(error instanceof UsageError ? 2 : 1);
}
