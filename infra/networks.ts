import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Platform } from "./workload.ts";
import { labelList, ownName } from "./stack-identity.ts";

/** The network that requests travel on: gateway, replicas and load test. */
export interface TrafficNetwork {
  readonly name: pulumi.Output<string>;
  /** The name that all replicas of the service answer to on it. */
  readonly serviceName: string;
  readonly gatewayName: string;
  readonly loadtestName: string;
}

/** Makes the stack's own network, a bridge or an attachable overlay, or joins an existing one. */
export function trafficNetwork(
  stack: string,
  config: { readonly platform: Platform; readonly network: string | undefined },
): TrafficNetwork {
  if (config.network !== undefined) {
    // Somebody else's network: no name of ours may shadow one of theirs.
    return {
      name: pulumi.output(config.network),
      serviceName: ownName(stack, "inference"),
      gatewayName: ownName(stack, "gateway"),
      loadtestName: ownName(stack, "loadtest"),
    };
  }
  const made = new docker.Network("network", {
    name: ownName(stack, "traffic"),
    driver: config.platform === "swarm" ? "overlay" : "bridge",
    attachable: config.platform === "swarm",
    labels: labelList(stack, "network"),
  });
  return {
    name: made.name,
    serviceName: "inference",
    gatewayName: "gateway",
    loadtestName: "loadtest",
  };
}
