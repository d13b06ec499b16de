import { identityOf, readState } from "../toolchain/launcher/state.mjs";
import { ofStack } from "./engine.ts";
import { UserError } from "./errors.ts";
import { hint } from "./hint.ts";

/**
 * Filters of the docker command for what a stack has, by its name.
 * @throws UserError where it is not up
 */
export function ofStackNamed(stack: string): string[] {
  const identity = identityOf(readState(stack));
  if (identity === undefined) {
    throw new UserError(`the stack ${stack} is not up. Bring it up first: ${hint.up(stack)}.`);
  }
  return ofStack(identity);
}
