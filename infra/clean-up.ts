import * as pulumi from "@pulumi/pulumi";
import { declaredOf } from "../toolchain/launcher/inventory.mjs";
import { heldLocks } from "../toolchain/launcher/locks.mjs";
import { type Found, kept, type Kind, unrecorded } from "../toolchain/launcher/plan.mjs";
import { identityOf, ownBackend, type State } from "../toolchain/launcher/state.mjs";
import { reconnect } from "./connections.ts";
import { declaredOnly, docker, type EngineInfo, ofStack } from "./engine.ts";
import { mendFront } from "./front.ts";
import { mendNames } from "./names.ts";

/** Updates of the stack beside this one. Any other backend lets in one at a time without a trace here. */
const otherUpdates = (stack: string): number => (ownBackend() ? heldLocks(stack) - 1 : 0);

/** Containers that may be answering requests end as they do when they are replaced. */
const removal: Readonly<Record<Kind, readonly (readonly string[])[]>> = {
  // No longer than the command is waited for.
  container: [
    ["stop", "--time", "45"],
    ["rm", "--force", "--volumes"],
  ],
  service: [["service", "rm"]],
  secret: [["secret", "rm"]],
  network: [["network", "rm"]],
  volume: [["volume", "rm"]],
  image: [["image", "rm"]],
};

async function remove({ kind, id, name }: Found): Promise<void> {
  try {
    for (const command of removal[kind]) await docker(...command, id);
    await pulumi.log.info(`removed the ${kind} ${name}, which no state records`);
  } catch (cause) {
    // It is in nobody's way, or what it is in the way of says so.
    const reason = cause instanceof Error ? cause.message : String(cause);
    await pulumi.log.warn(`the ${kind} ${name}, which no state records, stays: ${reason}`);
  }
}

/** Lets run again what somebody stopped or paused by hand: the provider would take it for what it declared. */
async function letRun(
  identity: string,
  state: State | undefined,
  { verb, did, statuses }: (typeof halted)[number],
): Promise<void> {
  const filters = statuses.flatMap((status) => ["--filter", `status=${status}`]);
  const all = ["ps", "-aq", "--no-trunc", ...filters, ...ofStack(identity), ...declaredOnly];
  for (const id of kept(state, (await docker(...all)).split("\n"))) {
    const short = id.slice(0, 12);
    try {
      await docker(verb, id);
      await pulumi.log.info(`started the container ${short}, which had been ${did}`);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      await pulumi.log.warn(
        `the container ${short} was ${did} and does not start again: ${reason}`,
      );
    }
  }
}

const halted = [
  { verb: "start", did: "stopped", statuses: ["exited", "created"] },
  { verb: "unpause", did: "paused", statuses: ["paused"] },
] as const;

/**
 * Takes away what an update left that was killed, lets run what was stopped or paused, and sees to it
 * that it is on its networks and found there. To be called by an update that has begun: it holds the
 * stack's lock, and whoever was to say yes has said so.
 */
export async function cleanUp(
  stack: string,
  identity: string,
  state: State | undefined,
  { Swarm }: Pick<EngineInfo, "Swarm">,
): Promise<void> {
  // Nothing has it yet.
  if (identityOf(state) !== identity) return;
  const plan = unrecorded({
    state,
    identity,
    otherUpdates: otherUpdates(stack),
    found: declaredOf(identity, Swarm.ControlAvailable),
  });
  for (const kind of new Set(plan.map((found) => found.kind))) {
    await Promise.all(plan.filter((found) => found.kind === kind).map(remove));
  }
  for (const how of halted) await letRun(identity, state, how);
  await reconnect(identity, state);
  await mendNames(identity);
  await mendFront(identity);
}
