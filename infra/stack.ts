import * as pulumi from "@pulumi/pulumi";
import { baseImages } from "../toolchain/versions.mjs";
import { bundle } from "./bundle.ts";
import { Gateway } from "./gateway.ts";
import { AppImage } from "./images.ts";
import { InferenceService } from "./inference-service.ts";
import { LoadTest } from "./loadtest.ts";
import { trafficNetwork } from "./networks.ts";
import { baseImage, preflight } from "./preflight.ts";
import { readConfig } from "./read-config.ts";

/** The whole story: configuration, images, network, service, gateway, load test, outputs. */
export async function declareStack(stack: string) {
  const config = readConfig();
  await preflight(stack, config);

  const image = async (part: "service" | "gateway" | "loadtest", source: string) => {
    const context = await bundle(source);
    const base = await baseImage(baseImages[context.base]);
    return new AppImage(part, { stack, part, context, base, registry: config }).reference;
  };
  const serviceImage = config.image ?? (await image("service", "service"));
  const gatewayImage = await image("gateway", "infra/gateway");

  const loadtestImage = await image("loadtest", "loadtest");

  const network = trafficNetwork(stack, config);
  const service = new InferenceService("inference", {
    stack,
    image: serviceImage,
    network,
    config,
  });
  const gateway = new Gateway(
    "gateway",
    { stack, image: gatewayImage, network, config },
    { dependsOn: [service] },
  );
  const loadtest = new LoadTest("loadtest", {
    stack,
    image: loadtestImage,
    network,
    target: gateway.internalUrl,
    config,
  });
  return {
    loadtestUrl: loadtest.url,
    loadtestToken: loadtest.token,
    apiUrl: gateway.url,
    docsUrl: pulumi.interpolate`${gateway.url}/docs`,
    image: serviceImage,
    limits: { cpus: config.cpus, memory: `${config.memory}MB` },
    replicas: config.replicas,
    model: config.model,
  };
}
