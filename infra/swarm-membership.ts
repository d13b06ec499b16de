import type * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { dockerHost } from "./engine.ts";

/**
 * Makes a Swarm of this one engine, reachable from nowhere else, and notes on its node who made it.
 * A Swarm that is there already is taken as it is.
 */
export const joinScript = `set -eu
docker() { command docker -H "$DOCKER_HOST" "$@"; }
if [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = inactive ]; then
  docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 > /dev/null
  docker node update --label-add "$LABEL=$OWNER" "$(docker info --format '{{.Swarm.NodeID}}')" > /dev/null
fi`;

/** Ends the Swarm if its owner made it and nobody else came to use it. Says what it did. */
export const leaveScript = `set -eu
docker() { command docker -H "$DOCKER_HOST" "$@"; }
[ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ] || exit 0
[ "$(docker node inspect self --format "{{index .Spec.Labels \\"$LABEL\\"}}")" = "$OWNER" ] || exit 0
others=$(
  docker node ls --format 'node {{.Hostname}}' | tail -n +2
  docker service ls --format 'service {{.Name}}'
  docker secret ls --format 'secret {{.Name}}'
  docker config ls --format 'config {{.Name}}'
  docker network ls --filter scope=swarm --format 'network {{.Name}}' | grep -vx 'network ingress' || true
)
if [ -n "$others" ]; then
  echo "the Swarm stays, because others use it:" $others
  exit 0
fi
docker swarm leave --force > /dev/null
echo "the engine left the Swarm that this stack had made"`;

/** What the scripts want to know. */
export const membershipEnvironment = <T extends pulumi.Input<string>>(identity: T) => ({
  DOCKER_HOST: dockerHost(),
  LABEL: label.swarm,
  OWNER: identity,
});
