import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { cloneId, label } from "../toolchain/clone.mjs";
import { dockerHost } from "./engine.ts";

/**
 * A Swarm of this one engine, reachable from nowhere else, marked as ours. One that was there
 * before is taken as it is.
 */
const init = `set -eu
docker() { command docker -H "$DOCKER_HOST" "$@"; }
if [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = inactive ]; then
  docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 > /dev/null
  docker node update --label-add "$OWNER_LABEL=$OWNER" "$(docker info --format '{{.Swarm.NodeID}}')" > /dev/null
fi`;

/** Ends the Swarm that this stack made, unless somebody else came to use it. */
const leave = `set -eu
docker() { command docker -H "$DOCKER_HOST" "$@"; }
[ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ] || exit 0
[ "$(docker node inspect self --format "{{index .Spec.Labels \\"$OWNER_LABEL\\"}}")" = "$OWNER" ] || exit 0
others=$(docker node ls -q | tail -n +2; docker service ls -q; docker secret ls -q; docker config ls -q
  docker network ls --filter scope=swarm --format '{{.Name}}' | grep -vx ingress || true)
if [ -n "$others" ]; then
  echo "the Swarm stays: other nodes, services or networks are in it" >&2
  exit 0
fi
docker swarm leave --force > /dev/null`;

/** Who made a Swarm, as a label of its first node. */
export const swarmOwner = (stack: string): string => `${cloneId}-${stack}`;

/** Makes the engine a Swarm manager where it is in no Swarm yet. */
export function swarmMember(stack: string): pulumi.Resource {
  return new command.local.Command("swarm", {
    create: init,
    delete: leave,
    environment: {
      DOCKER_HOST: dockerHost(),
      OWNER_LABEL: label.swarm,
      OWNER: swarmOwner(stack),
    },
  });
}
