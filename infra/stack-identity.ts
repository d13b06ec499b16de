import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { sweepLast } from "./leftovers.ts";
import { madeOnce } from "./made-once.ts";

/** The parts of a stack, as their label says it. */
export type Part =
  | "service"
  | "gateway"
  | "listener"
  | "loadtest"
  | "worker"
  | "network"
  | "image"
  | "mlflow"
  | "s3"
  | "postgres"
  | "relay"
  | "converter"
  | "unpickler";

/** Who a stack is on an engine that it shares with others. */
export interface StackIdentity {
  /** As Pulumi calls it, such as `dev`. */
  readonly name: string;
  /** Eight hex digits that no other stack has; kept in the state, and so wherever that goes. */
  readonly id: pulumi.Output<string>;
}

/** What a stack is made of that its state does not know yet. */
export interface Birth {
  /** The identity, unless the state has one; see origin.ts. */
  readonly origin: string;
  /** Id of the engine. */
  readonly engine: string;
}

/** Keeps in the state who the stack is and which engine it is on: another one is refused before. */
export function declareIdentity(name: string, { origin, engine }: Birth): StackIdentity {
  new command.local.Command("engine", {
    create: 'printf %s "$ENGINE"',
    environment: { ENGINE: engine },
    logging: "none",
  });
  const { stdout } = madeOnce("identity", {
    create: 'printf %s "$ORIGIN"',
    environment: { ORIGIN: origin },
  });
  // All that has the identity is gone before the last sweep.
  const swept = sweepLast(stdout);
  return { name, id: pulumi.all([stdout, swept.id]).apply(([id]) => id) };
}

type Labels = Record<string, pulumi.Input<string>>;

/** The labels that everything a stack makes carries: people, `npm run status` and teardown find it by them. */
export const labels = (stack: StackIdentity, part: Part): Labels => ({
  [label.stack]: stack.name,
  [label.part]: part,
  [label.clone]: stack.id,
});

const asList = (entries: Labels): { label: string; value: pulumi.Input<string> }[] =>
  Object.entries(entries).map(([name, value]) => ({ label: name, value }));

/** The same for a resource of the program, which is in its state or may be removed. */
export const labelList = (stack: StackIdentity, part: Part, more: Labels = {}) =>
  asList({ ...labels(stack, part), [label.declared]: "true", ...more });

/** The same for containers that Swarm makes: no state records them. */
export const taskLabelList = (stack: StackIdentity, part: Part) => asList(labels(stack, part));

/** A name for something of this stack that no other stack on the same engine uses. */
export const ownName = (stack: StackIdentity, what: pulumi.Input<string>): pulumi.Output<string> =>
  pulumi.interpolate`inference-stack-${stack.id}-${stack.name}-${what}`;
