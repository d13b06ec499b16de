import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { dockerHost } from "./engine.ts";

/**
 * Containers that no state records, left on a network by an update that was killed: while they are on
 * it, it cannot be deleted. They are gone when whatever depends on this is, and before the network.
 */
export const sweepNetwork = (
  name: string,
  { id, network }: { readonly id: pulumi.Output<string>; readonly network: pulumi.Output<string> },
  opts: pulumi.CustomResourceOptions = {},
): command.local.Command =>
  new command.local.Command(
    `${name}-sweep`,
    {
      create: "true",
      delete: remove("ps -aq --filter network=$NETWORK", "rm -f -v"),
      environment: { DOCKER_HOST: dockerHost(), MINE: mine(id), NETWORK: network },
    },
    opts,
  );

/**
 * The rest of what no state records: it goes last, after all that has the stack's identity. Images too:
 * one that is rolled back to loses its name when the update that failed is cleaned up, and the provider
 * then finds it no more.
 */
export const sweepLast = (id: pulumi.Output<string>): command.local.Command =>
  new command.local.Command("sweep", {
    create: "true",
    delete: [
      remove("ps -aq", "rm -f -v"),
      remove("network ls -q", "network rm"),
      remove(`volume ls -q --filter label=${label.files}`, "volume rm"),
      `docker -H "$DOCKER_HOST" image prune --all --force --filter label=${label.part}=image \\
  --filter "label=${label.clone}=$ID" > /dev/null`,
    ].join("\n"),
    environment: { DOCKER_HOST: dockerHost(), MINE: mine(id), ID: id },
  });

/** Filters for what the program declared. */
const mine = (id: pulumi.Output<string>) =>
  pulumi.interpolate`--filter label=${label.clone}=${id} --filter label=${label.declared}`;

const remove = (list: string, how: string): string =>
  `left=$(docker -H "$DOCKER_HOST" ${list} $MINE) && ` +
  `[ -z "$left" ] || docker -H "$DOCKER_HOST" ${how} $left > /dev/null`;
