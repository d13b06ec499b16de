import * as pulumi from "@pulumi/pulumi";
import type { Builds, BuiltPart } from "./builds.ts";
import type { StackConfig } from "./config.ts";
import { converted } from "./converter.ts";
import { bringDependencies, type Dependencies } from "./dependencies/index.ts";
import { Gateway } from "./gateway.ts";
import { AppImage } from "./images.ts";
import { InferenceService } from "./inference-service.ts";
import { LoadTest } from "./loadtest.ts";
import { trafficNetwork } from "./networks.ts";
import type { Found } from "./preflight.ts";
import { relayed } from "./relay.ts";
import { type Birth, declareIdentity } from "./stack-identity.ts";
import { onSwarm } from "./swarm.ts";

/** Where models come from. Pulumi warns of an output that is there and undefined. */
const registryOutputs = ({ mlflowUrl, publishedUrl, s3Url, registry }: Dependencies) => ({
  /** For people and their clients: where it is published, else as replicas reach it. */
  mlflowUrl: publishedUrl ?? mlflowUrl,
  ...(s3Url === undefined ? {} : { s3Url }),
  /** For `npm run model`: how to reach the registry, with its credentials. */
  registry,
});

/** The whole story: images, networks, dependencies, service, gateway, load test, outputs. */
export function declareStack(
  name: string,
  birth: Birth,
  config: StackConfig,
  builds: Builds,
  { startFirst, portHeld }: Pick<Found, "startFirst" | "portHeld"> = {
    startFirst: true,
    portHeld: false,
  },
) {
  const stack = declareIdentity(name, birth);
  const image = (part: BuiltPart, given?: string): pulumi.Input<string> => {
    const build = builds[part];
    if (build === undefined) return given ?? "";
    return new AppImage(part, { stack, part, ...build, registry: config }).reference;
  };
  const serviceImage = image("service", config.image);
  const gatewayImage = image("gateway");
  const network = trafficNetwork(stack, config);

  const brought = bringDependencies(stack, config, builds.dependencies, {
    dependsOn: [...network.swarm],
  });
  const dependencies = reached();

  /** Dependencies as replicas reach them. */
  function reached(): Dependencies | undefined {
    if (brought !== undefined && builds.unpickler !== undefined) {
      const args = { stack, image: serviceImage, unpickler: builds.unpickler, network, config };
      return converted("converter", { ...args, dependencies: brought });
    }
    return config.platform === "swarm" ? relayed(stack, brought, gatewayImage, network) : brought;
  }
  const where = onSwarm(config);
  const service = new InferenceService(
    "inference",
    { stack, image: serviceImage, network, dependencies, startFirst, config },
    { ...where, dependsOn: [...(dependencies?.ready ?? [])] },
  );
  const gateway = new Gateway(
    "gateway",
    {
      stack,
      image: gatewayImage,
      listenerImage: builds.gateway.base.id,
      portHeld,
      network,
      config,
    },
    { ...where, dependsOn: [service] },
  );
  const loadtest = new LoadTest(
    "loadtest",
    { stack, image: image("loadtest"), network, target: gateway.internalUrl, config },
    where,
  );

  return {
    apiUrl: gateway.url,
    docsUrl: pulumi.interpolate`${gateway.url}/docs`,
    loadtestUrl: loadtest.url,
    loadtestToken: loadtest.token,
    image: serviceImage,
    limits: { cpus: config.cpus, memory: `${config.memory}MB` },
    replicas: config.replicas,
    model: config.model,
    ...(dependencies === undefined ? {} : registryOutputs(dependencies)),
  };
}
