/**
 * A mistake that the user can mend. The message says what was given, what is allowed and what to
 * do; it is shown alone, without a stack trace.
 */
export class UserError extends Error {
  override readonly name = "UserError";
}
