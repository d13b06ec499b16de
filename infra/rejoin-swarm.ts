// Run by the launcher before the state of a stack is read anew whose Swarm was left by hand.
import { readState } from "../toolchain/launcher/state.mjs";
import { madeSwarm, rejoinScript, runMembership } from "./swarm-membership.ts";

const [stack = ""] = process.argv.slice(2);
const environment = madeSwarm(readState(stack) ?? []);
if (environment) process.stderr.write(runMembership(rejoinScript, environment));
