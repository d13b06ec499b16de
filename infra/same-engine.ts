import { dockerHost, type EngineInfo } from "./engine.ts";
import { UserError } from "./errors.ts";

/**
 * @param allowed the engine that the configuration says the stack may go over to
 * @throws UserError where the state is of another engine than this: what it has there would be lost
 *   sight of. Pure.
 */
export function checkEngine(
  stack: string,
  recorded: string | undefined,
  { ID }: Pick<EngineInfo, "ID">,
  allowed?: string,
): void {
  if (recorded === undefined || ID === "" || recorded === ID || allowed === ID) return;
  throw new UserError(
    `the stack ${stack} is on the engine ${recorded}, but the one at ${dockerHost()} is ${ID}: what it has ` +
      "would be left behind there. Set DOCKER_HOST to the address of its engine. If that is gone for good: " +
      `\`npx pulumi config set engine ${ID} -s ${stack} && npx pulumi up -s ${stack}\`.`,
  );
}
