// `npm run demo`, after the set-up: the dev stack, one prediction, a short load, and where it all is.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "../toolchain/clone.mjs";
import { readCommand } from "../toolchain/command.mjs";
import { complain } from "./errors.ts";

const help = `Usage: npm run demo [-- --help]

On a fresh clone: makes the machine ready, brings up the dev stack with the embedded model, asks it
for one prediction, puts a short load on it, and prints where everything is.
Afterwards: \`npm run status\`, \`npm run loadtest -- --help\`, \`npm run down\`.
`;

const sample = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

/** The load test's code for figures that are about the generator: a busy machine is no failed demo. */
const generatorLimited = 98;

/** Runs a script of this project on this Node; ends the demo with its exit code if it fails. */
function run(script: string, args: readonly string[], keep = false): string {
  const { status, stdout } = spawnSync(process.execPath, [join(root, script), ...args], {
    stdio: ["ignore", keep ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
  });
  if (status !== 0 && !(script.startsWith("loadtest/") && status === generatorLimited)) {
    console.error(`error: the demo stopped at: ${script} ${args.join(" ")}`);
    process.exit(status ?? 1);
  }
  return keep ? stdout : "";
}

const pulumi = (args: readonly string[], keep = false) =>
  run("toolchain/launcher/pulumi.mjs", [...args, "--stack", "dev", "--non-interactive"], keep);

async function main(): Promise<void> {
  console.log("\nThe dev stack: pulumi up");
  pulumi(["up", "--yes", "--skip-preview"]);
  const outputs = JSON.parse(pulumi(["stack", "output", "--json"], true)) as Record<string, string>;

  console.log(`\nOne prediction: POST ${outputs["apiUrl"] ?? ""}/predict`);
  const reply = await fetch(`${outputs["apiUrl"] ?? ""}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(sample),
    signal: AbortSignal.timeout(10_000),
  });
  console.log(`  ${JSON.stringify(sample)}\n  ${reply.status} ${await reply.text()}`);
  if (!reply.ok) process.exit(1);

  console.log("\nA short load: 100 users, each waits a second between requests");
  run("loadtest/cli.ts", ["--users", "100", "--spawn-rate", "50", "--run-time", "10s"]);

  console.log(`
  predictions  ${outputs["apiUrl"] ?? ""}/predict
  API docs     ${outputs["docsUrl"] ?? ""}
  load test    ${outputs["loadtestUrl"] ?? ""}

  npx pulumi config set cpus 0.5 -s dev && npx pulumi up -s dev     another experiment
  npm run loadtest -- --users 1000 --spawn-rate 100 --run-time 1m   another load
  npm run status                                                    what runs where
  npm run down                                                      everything removed`);
}

try {
  const { values } = readCommand("demo", { options: { help: { type: "boolean", short: "h" } } });
  if (values.help) console.log(help);
  else await main();
} catch (error) {
  complain(error);
}
