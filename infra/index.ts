import "./native-stacks.ts";
import * as pulumi from "@pulumi/pulumi";
import { noteBegun } from "./begun.ts";
import { birthOf, stateAtHand } from "./birth.ts";
import { prepareBuilds } from "./builds.ts";
import { cleanUp } from "./clean-up.ts";
import { engineInfo } from "./engine.ts";
import { UserError } from "./errors.ts";
import { preflight } from "./preflight.ts";
import { readConfig } from "./read-config.ts";
import { declareStack } from "./stack.ts";
import { adoptSwarm } from "./swarm-membership.ts";
import { watchServices } from "./watch-services.ts";
import { watchStarts } from "./watch-starts.ts";

async function main(stack: string) {
  const config = readConfig();
  const engine = await engineInfo();
  const state = await stateAtHand();
  const birth = await birthOf(state, engine, config.engine);
  const found = await preflight(stack, state, config, engine);
  if (!found.startFirst) {
    await pulumi.log.warn(
      `${config.replicas} replicas fill the Swarm's nodes: an update stops a replica before it starts the ` +
        "next. One replica less, or smaller ones, leave room for the next to start first.",
    );
  }
  const builds = await prepareBuilds(config, found);
  if (!pulumi.runtime.isDryRun()) {
    await cleanUp(stack, birth.origin, state, engine);
    await adoptSwarm(stack, birth.origin, state, engine);
    noteBegun(birth.origin, engine);
    await watchStarts(stack, birth.origin);
    if (config.platform === "swarm") {
      await watchServices(stack, birth.origin, engine.Swarm.ControlAvailable);
    }
  }
  return declareStack(stack, birth, config, builds, found);
}

/** The stack's outputs: those that it has. */
export default await main(pulumi.getStack()).catch((error: unknown) => {
  // Shown without a stack trace: it is about the user's input, not about this program.
  throw error instanceof UserError ? new pulumi.RunError(error.message) : error;
});
