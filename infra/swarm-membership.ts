import { spawnSync } from "node:child_process";
import type * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { earlierIdentity, recordedIdentity, type State } from "../toolchain/launcher/state.mjs";
import { docker, dockerHost, type EngineInfo } from "./engine.ts";

const common = `set -eu
docker() { command docker -H "$DOCKER_HOST" "$@"; }
inactive() { [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = inactive ]; }
ours() {
  [ "$(docker node inspect self --format "{{index .Spec.Labels \\"$LABEL\\"}}" 2> /dev/null)" = "$OWNER" ]
}
make_swarm() {
  docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 > /dev/null
  docker node update --label-add "$LABEL=$OWNER" "$(docker info --format '{{.Swarm.NodeID}}')" > /dev/null
}
# What runs, paused or not, on networks that people made: a line "name network" for each.
named() {
  running=$(docker ps "$@" --format '{{$name := .Names}}{{range split .Networks ","}}{{if not (
    eq . "" "bridge" "host" "none" "ingress" "docker_gwbridge"
  )}}{{println $name .}}{{end}}{{end}}') || return 1
  echo "$running" | sed '/^$/d'
}`;

/**
 * Makes a Swarm of this one engine, reachable from nowhere else, and notes on its node who made it. A
 * Swarm that is there already is taken as it is. Says `made` where this stack made it, be it long ago,
 * and `found` where somebody else did.
 */
export const joinScript = `${common}
if inactive; then make_swarm; fi
if ours; then echo made; else echo found; fi`;

/**
 * Ends the Swarm if its owner made it, nobody else came to use it, and nobody beside it would suffer:
 * an engine that leaves (20.10 and others) forgets the names of all containers on all networks that
 * people made, until they start anew. Says what it did.
 */
export const leaveScript = `${common}
[ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ] || exit 0
ours || exit 0
# Each by itself: where one is not answered, nobody knows whom it would harm, and this ends here.
nodes=$(docker node ls --format 'node {{.Hostname}}')
services=$(docker service ls --format 'service {{.Name}}')
secrets=$(docker secret ls --format 'secret {{.Name}}')
configs=$(docker config ls --format 'config {{.Name}}')
networks=$(docker network ls --filter scope=swarm --format 'network {{.Name}}')
containers=$(named)
others=$(
  echo "$nodes" | tail -n +2
  echo "$services"
  echo "$secrets"
  echo "$configs"
  echo "$networks" | grep -vx 'network ingress' || true
  echo "$containers" | sed -n 's/^\\([^ ]*\\) /container \\1 on /p'
)
others=$(echo "$others" | sed '/^$/d')
if [ -n "$others" ]; then
  echo "the Swarm that this stack had made stays: leaving it would end what others have in it, and the" \\
    "engine would forget the names of their containers. There are:"
  echo "$others" | sed 's/^/  /'
  echo "Leave it when they are gone: docker -H $DOCKER_HOST swarm leave --force"
  exit 0
fi
docker swarm leave --force > /dev/null
echo "the engine left the Swarm that this stack had made"`;

/**
 * Makes the Swarm again that an engine was told to leave by hand, and lets the stack's containers that
 * still run find each other: the engine has forgotten their names. Says what it did, and nothing where
 * there was nothing to do.
 */
export const rejoinScript = `${common}
inactive || exit 0
make_swarm
echo "the engine had left the Swarm that this stack had made: it is one again"
own=$(named --filter "label=${label.clone}=$OWNER" | sed 's/ .*//' | sort -u)
if [ -n "$own" ]; then docker restart $own > /dev/null; fi
others=$(named | sed 's/ .*//' | sort -u | grep -vxF "$own" || true)
if [ -n "$others" ]; then
  echo "When it left, it may have forgotten the names of containers that are not this stack's. If they" \\
    "do not find each other: docker -H $DOCKER_HOST restart" $others
fi`;

/** Has a Swarm that an earlier version made for this stack bear the name that the scripts look for. */
export async function adoptSwarm(
  stack: string,
  identity: string,
  state: State | undefined,
  { Swarm }: Pick<EngineInfo, "Swarm">,
): Promise<void> {
  const earlier = earlierIdentity(state);
  if (!Swarm.ControlAvailable || recordedIdentity(state) !== undefined || !earlier) return;
  const format = `{{.ID}} {{index .Spec.Labels "${label.swarm}"}}`;
  const [node = "", maker] = (await docker("node", "inspect", "self", "--format", format)).split(
    " ",
  );
  if (maker !== `${earlier}-${stack}`) return;
  await docker("node", "update", "--label-add", `${label.swarm}=${identity}`, node);
}

/** What the scripts want to know. */
export const membershipEnvironment = <T extends pulumi.Input<string>>(identity: T) => ({
  DOCKER_HOST: dockerHost(),
  LABEL: label.swarm,
  OWNER: identity,
});

type Environment = Readonly<Record<string, string>>;

/** As much of a resource in a stack's state as is looked at. */
export interface Recorded {
  readonly urn: string;
  readonly inputs?: { readonly environment?: unknown };
  readonly outputs?: { readonly stdout?: unknown };
}

/**
 * The scripts' environment where a state says that its stack made the Swarm; else undefined. The engine is
 * the one that is asked now: the address in the state may have become another's.
 */
export function madeSwarm(resources: readonly Recorded[]): Environment | undefined {
  const member = resources.find(({ urn }) => urn.endsWith("command:local:Command::swarm"));
  return member?.outputs?.stdout === "made"
    ? { ...(member.inputs?.environment as Environment), DOCKER_HOST: dockerHost() }
    : undefined;
}

/** Runs one of the scripts. Gives what it said; it says nothing of what it could not do. */
export function runMembership(script: string, environment: Environment): string {
  const env = { ...process.env, ...environment };
  return spawnSync("sh", ["-c", script], { env, encoding: "utf8" }).stdout;
}
