// Run by the launcher before a refresh, with the stack's state on its input (its checkpoint, or what
// `pulumi stack export` gives): makes the Swarm again that the stack had made, where the engine was told
// to leave it by hand. What it prints, if anything, is what it did: then a refresh finds what is lost.
import { text } from "node:stream/consumers";
import { madeSwarm, type Recorded, rejoinScript, runMembership } from "./swarm-membership.ts";

interface State {
  readonly deployment?: { readonly resources?: readonly Recorded[] };
  readonly checkpoint?: { readonly latest?: { readonly resources?: readonly Recorded[] } };
}

const state = JSON.parse(await text(process.stdin)) as State;
const { resources = [] } = state.deployment ?? state.checkpoint?.latest ?? {};
const environment = madeSwarm(resources);
if (environment) process.stdout.write(runMembership(rejoinScript, environment));
