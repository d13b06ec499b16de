import { readFileSync } from "node:fs";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Connection } from "../../toolchain/model/connection.ts";
import type { StackConfig } from "../config.ts";
import { UserError } from "../errors.ts";
import { hint } from "../hint.ts";
import type { Network } from "../networks.ts";
import type { Dependencies } from "./index.ts";
import { given, registrySettings } from "./settings.ts";

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

function foreignNetwork(name: string): Network {
  const found = docker.getNetworkOutput({ name });
  return { name: found.name, id: found.id };
}

/** MLflow and S3 that run elsewhere: read, joined where they are on a network, never changed. */
export function attachDependencies(stack: string, config: StackConfig): Dependencies {
  const { mlflowUrl = "", s3Url, dependencyNetwork } = config;
  const ca = config.caFile === undefined ? undefined : readCa(stack, config.caFile);
  const secrets = {
    mlflowUser: config.mlflowUser,
    mlflowPassword: config.mlflowPassword?.reveal(),
    mlflowToken: config.mlflowToken?.reveal(),
    s3AccessKey: config.s3AccessKey?.reveal(),
    s3SecretKey: config.s3SecretKey?.reveal(),
  };
  const files = given({
    "mlflow-user": secrets.mlflowUser,
    "mlflow-password": secrets.mlflowPassword,
    "mlflow-token": secrets.mlflowToken,
    "s3-access-key": secrets.s3AccessKey,
    "s3-secret-key": secrets.s3SecretKey,
    "ca.pem": ca,
  });
  const connection = {
    mlflowUrl,
    ...given({
      ...secrets,
      s3Url,
      network: dependencyNetwork,
      ca,
      model: config.model,
      modelAlias: config.modelAlias,
    }),
  } satisfies Connection;
  return {
    settings: registrySettings(config, mlflowUrl, s3Url),
    files: Object.entries(files).map(([name, content]) => ({
      path: `/run/inference/${name}`,
      content: pulumi.secret(content),
    })),
    // A network that carries the traffic too is joined once.
    network:
      dependencyNetwork === undefined || dependencyNetwork === config.network
        ? undefined
        : foreignNetwork(dependencyNetwork),
    ready: [],
    mlflowUrl,
    s3Url,
    registry: pulumi.secret(connection),
  };
}
