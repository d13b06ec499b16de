// `npm run down`: every trace of this clone's stacks removed, volumes with their data too.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import retry from "p-retry";
import { folderId, label, root } from "../toolchain/clone.mjs";
import { readCommand } from "../toolchain/command.mjs";
import { settingsStacks, stateSalt } from "../toolchain/launcher/settings.mjs";
import {
  checkpointFile,
  engineOf,
  identityOf,
  ownBackend,
  readState,
} from "../toolchain/launcher/state.mjs";
import { pulumiCli } from "../toolchain/paths.mjs";
import { docker, engineInfo, ofStack } from "./engine.ts";
import { complain, UserError } from "./errors.ts";
import { originOf } from "./origin.ts";
import { checkEngine } from "./same-engine.ts";
import { leaveScript, membershipEnvironment, runMembership } from "./swarm-membership.ts";

const help = `Usage: npm run down [-- --help]

Removes every trace of this clone's stacks: containers, services, networks, images, and volumes
with their data. What belongs to other clones, or to nobody, is left alone.
`;

/** A stack of this clone's own backend, as far as its traces on the engine need it. */
interface Stack {
  readonly name: string;
  readonly isUp: boolean;
  readonly engine: string | undefined;
  /** What it has, or had when it was up last. */
  readonly identity: string | undefined;
}

/** Names of all stacks that this clone has, or could have. */
function stackNames(): string[] {
  const dir = dirname(checkpointFile("any"));
  const made = existsSync(dir) ? readdirSync(dir) : [];
  const names = made.flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);
  return [...new Set([...settingsStacks(), ...names])];
}

/** A stack that was destroyed left its data under the identity that it would have again. */
function formerIdentity(stack: string): string | undefined {
  const salt = stateSalt(stack);
  if (salt === undefined) return undefined;
  const settings = `encryptionsalt: ${salt}`;
  return originOf({ organization: "organization", project: "inference-stack", stack, settings });
}

function readStack(name: string): Stack {
  const state = readState(name);
  return {
    name,
    isUp: state !== undefined && state.length > 0,
    engine: engineOf(state),
    identity: identityOf(state) ?? formerIdentity(name),
  };
}

/** Destroys a stack with Pulumi, so that what it joined or configured elsewhere is undone too. */
function destroy({ name }: Stack): void {
  console.log(`destroying the stack ${name}`);
  const launcher = join(root, "toolchain", "launcher", "pulumi.mjs");
  const args = ["destroy", "--yes", "--skip-preview", "--non-interactive", "--stack", name];
  const { status } = spawnSync(process.execPath, [launcher, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0)
    console.log(`${name} could not be destroyed by Pulumi; removing what it left by label`);
}

/** Ends the Swarm that this stack made, where `pulumi destroy` could not. */
function leaveSwarm(identity: string): void {
  process.stdout.write(runMembership(leaveScript, membershipEnvironment(identity)));
}

/** What Pulumi did not know of, or keeps on purpose. @param mine filters of the docker command */
async function sweep(mine: readonly string[]): Promise<void> {
  const kinds = [
    { what: "service", list: ["service", "ls", "-q"], remove: ["service", "rm"] },
    { what: "container", list: ["ps", "-aq"], remove: ["rm", "-f", "-v"] },
    { what: "network", list: ["network", "ls", "-q"], remove: ["network", "rm"] },
    { what: "secret", list: ["secret", "ls", "-q"], remove: ["secret", "rm"] },
    { what: "config", list: ["config", "ls", "-q"], remove: ["config", "rm"] },
    { what: "volume", list: ["volume", "ls", "-q"], remove: ["volume", "rm", "-f"] },
    { what: "image", list: ["images", "-q", "--no-trunc"], remove: ["rmi", "-f"] },
  ];
  const onlySwarm = new Set(["service", "secret", "config"]);
  // Asked anew: the Swarm may have gone with the stack that had made it.
  const managesSwarm = (await engineInfo()).Swarm.ControlAvailable;
  for (const { what, list, remove } of kinds) {
    if (onlySwarm.has(what) && !managesSwarm) continue;
    const left = async () => [
      ...new Set((await docker(...list, ...mine)).split("\n").filter(Boolean)),
    ];
    const { length } = await left();
    if (length === 0) continue;
    // What Swarm runs lingers for some seconds after its service is gone, and holds networks and images.
    await retry(async () => docker(...remove, ...(await left())), {
      retries: 20,
      factor: 1,
      minTimeout: 1000,
    });
    console.log(`removed ${length} ${what}${length === 1 ? "" : "s"} that were left`);
  }
}

/** Data that a stack kept when it was destroyed; nothing that somebody uses. */
const keptData = ["--filter", "dangling=true"];

async function main(): Promise<void> {
  if (!ownBackend()) {
    throw new UserError(
      "down removes the stacks of this clone's own backend, but PULUMI_BACKEND_URL names another, which " +
        "others may share. Unset it, or use `npx pulumi destroy -s STACK`.",
    );
  }
  const engine = await engineInfo();
  const stacks = stackNames().map(readStack);
  for (const { name, engine: recorded } of stacks) checkEngine(name, recorded, engine);
  if (existsSync(pulumiCli)) stacks.filter(({ isUp }) => isUp).forEach(destroy);
  for (const { name, identity, isUp } of stacks) {
    if (identity === undefined) continue;
    if (isUp) await sweep(ofStack(identity));
    else await sweepKept(ofStack(identity));
    // An earlier version called all stacks of a folder by it.
    await sweepKept([...ofStack(folderId), "--filter", `label=${label.stack}=${name}`]);
  }
  await sweep(["--filter", `label=${label.folder}=${folderId}`]);
  for (const { identity } of stacks) if (identity !== undefined) leaveSwarm(identity);
  console.log("nothing of this clone's stacks is left on the engine");
}

async function sweepKept(mine: readonly string[]): Promise<void> {
  const kept = (await docker("volume", "ls", "-q", ...mine, ...keptData))
    .split("\n")
    .filter(Boolean);
  if (kept.length === 0) return;
  await docker("volume", "rm", ...kept);
  console.log(`removed ${kept.length} volume${kept.length === 1 ? "" : "s"} of data that was kept`);
}

try {
  const { values } = readCommand("down", { options: { help: { type: "boolean", short: "h" } } });
  if (values.help) console.log(help);
  else await main();
} catch (error) {
  complain(error);
}
