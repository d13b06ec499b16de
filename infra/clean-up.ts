import * as pulumi from "@pulumi/pulumi";
import { declaredOf } from "../toolchain/launcher/inventory.mjs";
import { heldLocks } from "../toolchain/launcher/locks.mjs";
import { type Found, type Kind, unrecorded } from "../toolchain/launcher/plan.mjs";
import { identityOf, ownBackend, type State } from "../toolchain/launcher/state.mjs";
import { declaredOnly, docker, type EngineInfo, ofStack } from "./engine.ts";
import { mendNames } from "./names.ts";

/** Updates of the stack beside this one. Any other backend lets in one at a time without a trace here. */
const otherUpdates = (stack: string): number => (ownBackend() ? heldLocks(stack) - 1 : 0);

/** Containers that may be answering requests end as they do when they are replaced. */
const removal: Readonly<Record<Kind, readonly (readonly string[])[]>> = {
  container: [["stop"], ["rm", "--force", "--volumes"]],
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

/**
 * Starts what somebody stopped by hand: the provider would take it for what it declared. What is to be
 * deleted or replaced by this update is started too, as it would be if nobody had stopped it.
 */
async function startStopped(identity: string): Promise<void> {
  const stopped = ["--filter", "status=exited", "--filter", "status=created"];
  const ids = await docker("ps", "-aq", ...stopped, ...ofStack(identity), ...declaredOnly);
  for (const id of ids.split("\n").filter(Boolean)) {
    try {
      await docker("start", id);
      await pulumi.log.info(`started the container ${id}, which had been stopped`);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      await pulumi.log.warn(`the container ${id} has stopped and does not start again: ${reason}`);
    }
  }
}

/**
 * Takes away what an update left that was killed, starts what was stopped, and mends names. To be called by an update
 * that has begun: it holds the stack's lock, and whoever was to say yes has said so.
 */
export async function cleanUp(
  stack: string,
  state: State | undefined,
  { Swarm }: Pick<EngineInfo, "Swarm">,
): Promise<void> {
  const identity = identityOf(state);
  if (identity === undefined) return;
  const plan = unrecorded({
    state,
    identity,
    otherUpdates: otherUpdates(stack),
    found: declaredOf(identity, Swarm.ControlAvailable),
  });
  for (const kind of new Set(plan.map((found) => found.kind))) {
    await Promise.all(plan.filter((found) => found.kind === kind).map(remove));
  }
  await startStopped(identity);
  await mendNames(identity);
}
