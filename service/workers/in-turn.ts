import type { Failure } from "../model/fault.ts";

/** Has one process after another load a model; settles with why one will not serve it, if one will not. */
export async function firstFailure(
  prepare: Iterable<() => Promise<Failure | undefined>>,
): Promise<Failure | undefined> {
  // A process that loads answers nobody meanwhile: the others of its replica have to.
  for (const one of prepare) {
    const failure = await one();
    if (failure !== undefined) return failure;
  }
  return undefined;
}
