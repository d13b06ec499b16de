import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config.ts";
import { dockerHost } from "./engine.ts";
import { destination } from "./images.ts";
import type { StackIdentity } from "./stack-identity.ts";
import { joinScript, leaveScript, membershipEnvironment } from "./swarm-membership.ts";

/** Makes the engine a Swarm manager where it is in no Swarm yet, and undoes that with the stack. */
export const swarmMember = (stack: StackIdentity): pulumi.Resource =>
  new command.local.Command("swarm", {
    create: joinScript,
    delete: leaveScript,
    environment: membershipEnvironment(stack.id),
  });

type Registry = Pick<
  StackConfig,
  "platform" | "imageRepository" | "imageTag" | "registryUser" | "registryPassword"
>;

/**
 * How Swarm services are declared: with the credentials that their nodes pull images with. They are
 * the provider's, because other ones in a service itself would replace it, and its replicas with it.
 */
export function onSwarm(config: Registry): pulumi.ComponentResourceOptions {
  if (config.platform !== "swarm") return {};
  const to = destination(config, "service", "");
  const engine = new docker.Provider("swarm-engine", {
    host: dockerHost(),
    registryAuth:
      to && config.registryUser !== undefined
        ? [
            {
              address: to.address,
              username: config.registryUser,
              password: pulumi.secret(config.registryPassword?.reveal() ?? ""),
            },
          ]
        : [],
  });
  return { providers: [engine] };
}
