import { cloneId, label } from "../toolchain/clone.mjs";

/** The parts of a stack, as their label says it. */
export type Part =
  | "service"
  | "gateway"
  | "loadtest"
  | "worker"
  | "network"
  | "image"
  | "mlflow"
  | "s3"
  | "postgres"
  | "relay";

/** The labels that everything a stack makes carries: people, `npm run status` and teardown find it by them. */
export const labels = (stack: string, part: Part): Record<string, string> => ({
  [label.stack]: stack,
  [label.part]: part,
  [label.clone]: cloneId,
});

const asList = (entries: Record<string, string>): { label: string; value: string }[] =>
  Object.entries(entries).map(([name, value]) => ({ label: name, value }));

/** The same for a resource of the program, which is in its state or may be removed. */
export const labelList = (stack: string, part: Part): { label: string; value: string }[] =>
  asList({ ...labels(stack, part), [label.declared]: "true" });

/** The same for containers that Swarm makes: no state records them. */
export const taskLabelList = (stack: string, part: Part): { label: string; value: string }[] =>
  asList(labels(stack, part));

/** A name for something of this stack that no other clone or stack on the same engine uses. */
export const ownName = (stack: string, what: string): string =>
  `inference-stack-${cloneId}-${stack}-${what}`;
