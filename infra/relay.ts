import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "./errors.ts";
import { answersOk } from "./health-check.ts";
import type { Dependencies } from "./dependencies/index.ts";
import { type Network, ownNetwork } from "./networks.ts";
import { relayConfig, relayHealthPort, targetsOf } from "./relay-config.ts";
import type { StackIdentity } from "./stack-identity.ts";
import { runWorkload } from "./workload.ts";

export interface RelayArgs {
  readonly stack: StackIdentity;
  /** On the same Swarm: it has to be one first. */
  readonly traffic: Network;
  /** One with HAProxy in it: the gateway's. */
  readonly image: pulumi.Input<string>;
  /** A network of one engine, which Swarm services cannot join. */
  readonly from: Network;
  /** What is reached on it, by the names it has there. */
  readonly urls: readonly string[];
}

const configFile = "/run/relay/haproxy.cfg";

/**
 * Carries names of a network that is local to one engine onto an overlay, for services on any node:
 * a container for each name, joined to both, passes connections on. The overlay is one of its own, so
 * that no name on the network of the requests is shadowed, and only those who need it reach it.
 */
export class Relay extends pulumi.ComponentResource {
  /** What replicas join: on it the same addresses mean the same things. */
  readonly network: Network;

  constructor(name: string, args: RelayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:Relay", name, {}, opts);
    const { stack, traffic, image, from, urls } = args;
    const child = { parent: this };
    this.network = ownNetwork(
      name,
      { stack, what: traffic.id.apply(() => name), overlay: true },
      child,
    );
    for (const [host, ports] of targetsOf(urls)) {
      if (isIP(host) !== 0) {
        throw new UserError(
          `${host} is an address on dependencyNetwork, which replicas on other nodes cannot reach. ` +
            "Name the host as it is called on that network, such as http://mlflow:5000.",
        );
      }
      runWorkload(
        "container",
        `${name}-${host}`,
        {
          stack,
          part: "relay",
          image,
          command: ["haproxy", "-W", "-db", "-f", configFile],
          replicas: 1,
          cpus: 0.5,
          memory: 64,
          networks: [{ network: from }, { network: this.network, alias: host }],
          files: [
            {
              path: configFile,
              content: from.name.apply((network) => relayConfig(host, ports, network)),
            },
          ],
          healthCheck: answersOk(relayHealthPort, "/healthz"),
          stopGraceSeconds: 5,
        },
        child,
      );
    }
    this.registerOutputs({});
  }
}

/** Dependencies as replicas on any node reach them. */
export function relayed(
  stack: StackIdentity,
  dependencies: Dependencies | undefined,
  image: pulumi.Input<string>,
  traffic: Network,
): Dependencies | undefined {
  if (dependencies?.network === undefined) return dependencies;
  const { settings, files, network, ready, mlflowUrl, publishedUrl, s3Url, registry } =
    dependencies;
  const urls = [mlflowUrl, ...(s3Url === undefined ? [] : [s3Url])];
  const relay = new Relay(
    "relay",
    { stack, traffic, image, from: network, urls },
    { dependsOn: [...ready] },
  );
  return {
    ...{ settings, files, mlflowUrl, publishedUrl, s3Url, registry },
    network: relay.network,
    ready: [...ready, relay],
  };
}
