import * as pulumi from "@pulumi/pulumi";
import { declareStack } from "./stack.ts";
import { UserError } from "./errors.ts";

const outputs = await declareStack(pulumi.getStack()).catch((error: unknown) => {
  // Shown without a stack trace: it is about the user's input, not about this program.
  throw error instanceof UserError ? new pulumi.RunError(error.message) : error;
});

export const { apiUrl, docsUrl, loadtestUrl, loadtestToken, image, limits, replicas, model } =
  outputs;
