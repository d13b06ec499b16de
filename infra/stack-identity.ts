import { cloneId, label } from "../toolchain/clone.mjs";

/** The parts of a stack, as their label says it. */
export type Part =
  "service" | "gateway" | "loadtest" | "worker" | "network" | "image" | "mlflow" | "s3" | "relay";

/** The labels that everything a stack makes carries: people, `npm run status` and teardown find it by them. */
export function labels(stack: string, part: Part): Record<string, string> {
  return {
    [label.stack]: stack,
    [label.part]: part,
    [label.clone]: cloneId,
    [label.declared]: "true",
  };
}

/** The same as Docker resources want them. */
export const labelList = (stack: string, part: Part): { label: string; value: string }[] =>
  Object.entries(labels(stack, part)).map(([name, value]) => ({ label: name, value }));

/** A name for something of this stack that no other clone or stack on the same engine uses. */
export const ownName = (stack: string, what: string): string =>
  `inference-stack-${cloneId}-${stack}-${what}`;
