// `npm run down`: every trace of this clone's stacks removed, volumes with their data too.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import retry from "p-retry";
import { cloneId, label, root } from "../toolchain/clone.mjs";
import { checkpointFile } from "../toolchain/launcher/recover.mjs";
import { settingsStacks } from "../toolchain/launcher/salt.mjs";
import { pulumiCli } from "../toolchain/paths.mjs";
import { docker, engineInfo } from "./engine.ts";
import { UserError } from "./errors.ts";
import { leaveScript, membershipEnvironment } from "./swarm-membership.ts";

const help = `Usage: npm run down [-- --help]

Removes every trace of this clone's stacks: containers, services, networks, images, and volumes
with their data. What belongs to other clones, or to nobody, is left alone.
`;

/** Destroys a stack with Pulumi, so that what it joined or configured elsewhere is undone too. */
function destroy(stack: string): void {
  console.log(`destroying the stack ${stack}`);
  const launcher = join(root, "toolchain", "launcher", "pulumi.mjs");
  const args = ["destroy", "--yes", "--skip-preview", "--non-interactive", "--stack", stack];
  const { status } = spawnSync(process.execPath, [launcher, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0)
    console.log(`pulumi destroy of ${stack} failed; removing what it left by label`);
}

/** Ends the Swarm that this stack made, where `pulumi destroy` could not. */
function leaveSwarm(stack: string): void {
  const env = { ...process.env, ...membershipEnvironment(stack) };
  const { stdout } = spawnSync("sh", ["-c", leaveScript], { env, encoding: "utf8" });
  process.stdout.write(stdout);
}

/** What Pulumi did not know of, or keeps on purpose. */
async function sweep(): Promise<number> {
  const mine = ["--filter", `label=${label.clone}=${cloneId}`];
  const kinds = [
    { what: "service", list: ["service", "ls", "-q", ...mine], remove: ["service", "rm"] },
    { what: "container", list: ["ps", "-aq", ...mine], remove: ["rm", "-f", "-v"] },
    { what: "network", list: ["network", "ls", "-q", ...mine], remove: ["network", "rm"] },
    { what: "secret", list: ["secret", "ls", "-q", ...mine], remove: ["secret", "rm"] },
    { what: "config", list: ["config", "ls", "-q", ...mine], remove: ["config", "rm"] },
    { what: "volume", list: ["volume", "ls", "-q", ...mine], remove: ["volume", "rm", "-f"] },
    { what: "image", list: ["images", "-q", "--no-trunc", ...mine], remove: ["rmi", "-f"] },
  ];
  const { Swarm } = await engineInfo();
  const onlySwarm = new Set(["service", "secret", "config"]);
  let removed = 0;
  for (const { what, list, remove } of kinds) {
    if (onlySwarm.has(what) && !Swarm.ControlAvailable) continue;
    const left = async () => [...new Set((await docker(...list)).split("\n").filter(Boolean))];
    const { length } = await left();
    if (length === 0) continue;
    // What Swarm runs lingers for some seconds after its service is gone, and holds networks and images.
    await retry(async () => docker(...remove, ...(await left())), {
      retries: 20,
      factor: 1,
      minTimeout: 1000,
    });
    removed += length;
    console.log(`removed ${length} ${what}${length === 1 ? "" : "s"} that were left`);
  }
  return removed;
}

try {
  const { values } = parseArgs({ options: { help: { type: "boolean" } } });
  if (values.help) {
    console.log(help);
  } else {
    await engineInfo();
    const stacks = settingsStacks().filter((stack) => existsSync(checkpointFile(stack)));
    if (existsSync(pulumiCli)) stacks.forEach(destroy);
    await sweep();
    for (const stack of settingsStacks()) leaveSwarm(stack);
    console.log("nothing of this clone's stacks is left on the engine");
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}`);
  process.exit(1);
}
