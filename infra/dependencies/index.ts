import type * as pulumi from "@pulumi/pulumi";
import type { Connection } from "../../toolchain/model/connection.ts";
import type { StackConfig } from "../config.ts";
import type { WorkloadFile } from "../files-volume.ts";
import type { Network } from "../networks.ts";
import type { StackIdentity } from "../stack-identity.ts";
import { attachDependencies } from "./attach.ts";
import { DeployedDependencies } from "./deploy.ts";
import type { DependencyImages } from "./images.ts";

/** Where models come from, wherever that runs. */
export interface Dependencies {
  /** Settings of the service beyond those it always has. */
  readonly settings: Readonly<Record<string, pulumi.Input<string>>>;
  /** Credentials, as files beside the settings. */
  readonly files: readonly WorkloadFile[];
  /** What each replica joins to reach them, without a name of its own on it. */
  readonly network: Network | undefined;
  /** What is there before the service asks for its model. */
  readonly ready: readonly pulumi.Resource[];
  /** As replicas reach them. */
  readonly mlflowUrl: string;
  /** As clients on the engine's machine reach MLflow, where that is published. */
  readonly publishedUrl?: pulumi.Output<string> | undefined;
  readonly s3Url: string | undefined;
  /** How `npm run model` reaches them; secret. */
  readonly registry: pulumi.Output<Connection>;
}

/** MLflow and S3 as configured, or undefined where the service serves its embedded model. */
export function bringDependencies(
  stack: StackIdentity,
  config: StackConfig,
  images: DependencyImages | undefined,
  opts: pulumi.ComponentResourceOptions,
): Dependencies | undefined {
  if (config.dependencies === "attach") return attachDependencies(stack.name, config);
  if (config.dependencies === "none" || images === undefined) return undefined;
  return new DeployedDependencies("dependencies", { stack, config, images }, opts);
}
