import * as pulumi from "@pulumi/pulumi";
import { prepareBuilds } from "./builds.ts";
import { UserError } from "./errors.ts";
import { preflight } from "./preflight.ts";
import { readConfig } from "./read-config.ts";
import { declareStack } from "./stack.ts";

async function main(stack: string) {
  const config = readConfig();
  await preflight(stack, config);
  return declareStack(stack, config, await prepareBuilds(config));
}

const outputs = await main(pulumi.getStack()).catch((error: unknown) => {
  // Shown without a stack trace: it is about the user's input, not about this program.
  throw error instanceof UserError ? new pulumi.RunError(error.message) : error;
});

export const { apiUrl, docsUrl, loadtestUrl, loadtestToken, image, limits, replicas, model } =
  outputs;
/** Only where a registry serves the model. */
export const { mlflowUrl, s3Url, registry } = outputs;
