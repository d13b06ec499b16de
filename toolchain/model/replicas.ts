// Asks a stack's replicas what they serve, until each has made up its mind about a version.
import { setTimeout as sleep } from "node:timers/promises";
import { label } from "../clone.mjs";
import { identityOf, readState } from "../launcher/state.mjs";
import { docker, dockerJson, ofStack } from "../../infra/engine.ts";
import { askReplicas } from "../../infra/replica-requests.ts";
import type { Connection } from "./connection.ts";
import type { ModelStack } from "./stack.ts";
import {
  asksAnother,
  lateVerdict,
  replicaOf,
  servesAnother,
  verdictOf,
  type Replica,
  type Verdict,
  type Wanted,
} from "./verdict.ts";

/** For a version to be read from the registry, tried and loaded, ms; the look at the registry comes before. */
const LOAD_MS = 120_000;
const PAUSE_MS = 1500;

interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Running: boolean };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string } | undefined>>;
  };
}

/** What each replica of a stack says of the version wanted; none where the stack is not up. */
async function replicasOf(stack: string, wanted: Wanted): Promise<readonly Replica[]> {
  const identity = identityOf(readState(stack));
  if (identity === undefined) return [];
  const ids = (await docker("ps", "-q", ...ofStack(identity))).split("\n").filter(Boolean);
  if (ids.length === 0) return [];
  const running = await dockerJson<Inspected>(
    ...["container", "inspect", "--format", "{{json .}}", ...ids],
  );
  const loadtest = running.find(({ Config }) => Config.Labels[label.part] === "loadtest");
  if (loadtest === undefined) {
    // It is being replaced, and nobody else reaches them.
    const replicas = running.filter(({ Config }) => Config.Labels[label.part] === "service");
    return replicas.map(({ Name }) => replicaOf(Name.slice(1), null, wanted));
  }
  const names = new Map(
    running.flatMap(({ Name, NetworkSettings }) =>
      Object.values(NetworkSettings.Networks).map(
        (network) => [network?.IPAddress ?? "", Name.slice(1)] as const,
      ),
    ),
  );
  const said = await askReplicas(loadtest.Id, "/model");
  return said
    .map(([address, text]) => replicaOf(names.get(address) ?? address, text, wanted))
    .sort((a, b) => a.replica.localeCompare(b.replica, "en", { numeric: true }));
}

/**
 * Waits until every replica of a stack serves the version wanted or has refused it, for as long as that
 * may take by its settings.
 */
export async function awaitVerdict(
  { name: stack, config, asks }: ModelStack,
  connection: Connection,
  wanted: Wanted,
  onProgress: (line: string) => void,
): Promise<Verdict> {
  const another =
    servesAnother(stack, config, wanted) ?? (asks(connection) ? undefined : asksAnother(stack));
  if (another !== undefined) return { outcome: "elsewhere", sentence: another, replicas: [] };
  const begun = performance.now();
  const patience = LOAD_MS + 2 * config.registryInterval;
  let told = "";
  for (;;) {
    const replicas = await replicasOf(stack, wanted);
    const verdict = verdictOf(stack, wanted, replicas);
    if (verdict !== undefined) return verdict;
    const waited = performance.now() - begun;
    if (waited > patience) return lateVerdict(stack, wanted, replicas, waited);
    const done = replicas.filter(({ state }) => state === "serves it" || state === "refused it");
    const line = `waiting for replicas: ${done.length} of ${replicas.length} have looked at version ${wanted.version}`;
    if (line !== told) onProgress(line);
    told = line;
    await sleep(PAUSE_MS);
  }
}
