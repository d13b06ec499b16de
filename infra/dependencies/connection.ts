import { readFileSync } from "node:fs";
import type { Connection } from "../../toolchain/model/connection.ts";
import type { StackConfig } from "../config.ts";
import { UserError } from "../errors.ts";
import { hint } from "../hint.ts";
import { given } from "./settings.ts";

function readCa(stack: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError(
      `caFile is ${path}, which cannot be read (${(cause as Error).message}). ` +
        `Name a PEM file: ${hint.setKey(stack, "caFile", "/PATH/OF/CA.pem")}.`,
      { cause },
    );
  }
}

/** Which registered model a stack follows, and by what. */
export const followed = ({
  model,
  modelAlias,
  modelStage,
}: Pick<StackConfig, "model" | "modelAlias" | "modelStage">) =>
  given({ model, modelAlias, modelStage });

/**
 * How MLflow and S3 that run elsewhere are reached, as the stack's configuration has it: known before
 * there is a stack. @throws UserError where its `caFile` cannot be read.
 */
export function attachedConnection(stack: string, config: StackConfig): Connection {
  return {
    mlflowUrl: config.mlflowUrl ?? "",
    ...given({
      s3Url: config.s3Url,
      network: config.dependencyNetwork,
      mlflowUser: config.mlflowUser,
      mlflowPassword: config.mlflowPassword?.reveal(),
      mlflowToken: config.mlflowToken?.reveal(),
      s3AccessKey: config.s3AccessKey?.reveal(),
      s3SecretKey: config.s3SecretKey?.reveal(),
      ca: config.caFile === undefined ? undefined : readCa(stack, config.caFile),
    }),
    ...followed(config),
  };
}
