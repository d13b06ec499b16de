import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config.ts";
import type { Network } from "../networks.ts";
import { attachedConnection } from "./connection.ts";
import type { Dependencies } from "./index.ts";
import { given, registrySettings } from "./settings.ts";

function foreignNetwork(name: string): Network {
  const found = docker.getNetworkOutput({ name });
  return { name: found.name, id: found.id };
}

/** MLflow and S3 that run elsewhere: read, joined where they are on a network, never changed. */
export function attachDependencies(stack: string, config: StackConfig): Dependencies {
  const { dependencyNetwork } = config;
  const connection = attachedConnection(stack, config);
  const { mlflowUrl, s3Url } = connection;
  const files = given({
    "mlflow-user": connection.mlflowUser,
    "mlflow-password": connection.mlflowPassword,
    "mlflow-token": connection.mlflowToken,
    "s3-access-key": connection.s3AccessKey,
    "s3-secret-key": connection.s3SecretKey,
    "ca.pem": connection.ca,
  });
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
