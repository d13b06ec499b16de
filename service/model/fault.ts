import { RegistryError, reasonOf } from "./registry-error.ts";

/** A mistake in a model or its description, told in one sentence. */
export class ModelError extends Error {
  override name = "ModelError";
}

/** What the system says of names that a model gives to its own files, and not of this machine. */
const OF_NAMES = ["EISDIR", "ENOTDIR", "ENAMETOOLONG", "ELOOP"];

/** This machine failed, not the model that was read: no space, no descriptor, no such file any more. */
const isOfSystem = (error: unknown): boolean =>
  error instanceof Error &&
  "errno" in error &&
  !("code" in error && OF_NAMES.includes(String(error.code)));

/**
 * Whether `error` is what a version itself does wrong, so that it is refused. Whatever else fails (this
 * machine, another process, a server) may pass: the same version is tried again. Pure.
 */
export function isFault(error: unknown): boolean {
  if (error instanceof RegistryError) return error.permanent && error.status === undefined;
  return error instanceof ModelError && !isOfSystem(error.cause);
}

/** How a process that tried a version tells another what came of it. */
export interface Failure {
  readonly reason: string;
  readonly fault: boolean;
}

export const failureOf = (error: unknown): Failure => ({
  reason: reasonOf(error),
  fault: isFault(error),
});

/** `failure` as an error again. Pure. */
export const errorOf = ({ reason, fault }: Failure): Error =>
  fault ? new ModelError(reason) : new Error(reason);
