import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { sweepNetwork } from "./leftovers.ts";
import { labelList, ownName, type StackIdentity } from "./stack-identity.ts";
import { swarmMember } from "./swarm.ts";
import type { Platform } from "./workload.ts";

export interface Network {
  readonly name: pulumi.Output<string>;
  readonly id: pulumi.Output<string>;
}

/** The network that requests travel on: gateway, replicas and load test. */
export interface TrafficNetwork extends Network {
  /** The name that all replicas of the service answer to on it. */
  readonly serviceName: pulumi.Input<string>;
  readonly gatewayName: pulumi.Input<string>;
  readonly loadtestName: pulumi.Input<string>;
  readonly converterName: pulumi.Input<string>;
  /** The Swarm, where the stack makes one: it goes last, when nothing of the stack is on any network. */
  readonly swarm: readonly pulumi.Resource[];
}

/** Makes a network of the stack's own: a bridge, or an attachable overlay. */
export function ownNetwork(
  name: string,
  args: {
    readonly stack: StackIdentity;
    readonly what: pulumi.Input<string>;
    readonly overlay: boolean;
  },
  opts: pulumi.CustomResourceOptions = {},
): Network {
  const { stack, what, overlay } = args;
  const made = new docker.Network(
    name,
    {
      name: ownName(stack, what),
      driver: overlay ? "overlay" : "bridge",
      attachable: overlay,
      labels: labelList(stack, "network"),
    },
    opts,
  );
  const swept = sweepNetwork(name, { id: stack.id, network: made.id }, opts);
  // Whoever joins it depends on the sweep too.
  const whole = pulumi.all([made.name, made.id, swept.id]);
  return { name: whole.apply(([own]) => own), id: whole.apply(([, id]) => id) };
}

/** Makes the stack's own network, a bridge or an attachable overlay, or joins an existing one. */
export function trafficNetwork(
  stack: StackIdentity,
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
      converterName: ownName(stack, "converter"),
      swarm: [],
    };
  }
  const overlay = config.platform === "swarm";
  const swarm = overlay ? [swarmMember(stack)] : [];
  return {
    ...ownNetwork("network", { stack, what: "traffic", overlay }, { dependsOn: swarm }),
    serviceName: "inference",
    gatewayName: "gateway",
    loadtestName: "loadtest",
    converterName: "converter",
    swarm,
  };
}
