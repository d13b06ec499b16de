import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { labelList, ownName } from "./stack-identity.ts";
import { swarmMember } from "./swarm.ts";
import type { Platform } from "./workload.ts";

export interface Network {
  readonly name: pulumi.Output<string>;
  readonly id: pulumi.Output<string>;
}

/** The network that requests travel on: gateway, replicas and load test. */
export interface TrafficNetwork extends Network {
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
    const found = docker.getNetworkOutput({ name: config.network });
    return {
      name: found.name,
      id: found.id,
      serviceName: ownName(stack, "inference"),
      gatewayName: ownName(stack, "gateway"),
      loadtestName: ownName(stack, "loadtest"),
    };
  }
  const swarm = config.platform === "swarm";
  const made = new docker.Network(
    "network",
    {
      name: ownName(stack, "traffic"),
      driver: swarm ? "overlay" : "bridge",
      attachable: swarm,
      labels: labelList(stack, "network"),
    },
    swarm ? { dependsOn: [swarmMember(stack)] } : {},
  );
  return {
    name: made.name,
    id: made.id,
    serviceName: "inference",
    gatewayName: "gateway",
    loadtestName: "loadtest",
  };
}
