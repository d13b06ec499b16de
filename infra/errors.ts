import { UsageError } from "../toolchain/command.mjs";

/**
 * A mistake that the user can mend. The message says what was given, what is allowed and what to
 * do; it is shown alone, without a stack trace.
 */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Ends a command: what its user can mend is said in a sentence, anything else is thrown on. */
export function complain(error: unknown): never {
  const usage = error instanceof UsageError;
  if (!usage && !(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}`);
  process.exit(usage ? 2 : 1);
}
