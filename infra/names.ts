// Names of containers on networks that people made. An engine that leaves a Swarm (20.10 and others)
// forgets them, and then nobody is found, though all run; what starts anew is known again.
import * as pulumi from "@pulumi/pulumi";
import { declaredOnly, docker, dockerJson, ofStack } from "./engine.ts";

/** As much of a container as is looked at. */
export interface Member {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Status: string };
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<string, { readonly IPAddress: string; readonly Aliases: readonly string[] | null }>
    >;
  };
}

/** What one container is asked: who of the others answers to which name on a network of both. */
export interface Question {
  readonly asked: string;
  /** Containers by the name that they were given. */
  readonly names: ReadonlyMap<string, readonly string[]>;
}

/**
 * A question for each network with two containers or more; the names that the engine made are left out.
 * Who is paused, or ends and is started again and again, can neither be asked nor be found. Pure.
 */
export function questions(all: readonly Member[]): Question[] {
  const members = all.filter(({ State }) => State.Status === "running");
  const networks = new Set(members.flatMap((m) => Object.keys(m.NetworkSettings.Networks)));
  return [...networks].flatMap((network) => {
    const on = members.filter((m) => m.NetworkSettings.Networks[network] !== undefined);
    return on.slice(0, 2).flatMap((asker) => {
      const names = new Map<string, string[]>();
      for (const other of on.filter((m) => m !== asker)) {
        for (const alias of other.NetworkSettings.Networks[network]?.Aliases ?? []) {
          if (other.Id.startsWith(alias)) continue;
          names.set(alias, [...(names.get(alias) ?? []), other.Id]);
        }
      }
      return names.size === 0 ? [] : [{ asked: asker.Id, names }];
    });
  });
}

/** Names that somebody answers to, as `getent hosts` says it: lines of an address and names. */
async function known(asked: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  // At once: where the engine knows a name not, and nobody beyond it answers, each takes many seconds.
  const script = 'for name; do { getent hosts "$name" > /dev/null && echo "$name"; } & done; wait';
  const said = await docker("exec", asked, "sh", "-c", script, "sh", ...names);
  return new Set(said.split("\n"));
}

/** Starts anew those of a stack's containers that run and are not found by their names. */
export async function mendNames(identity: string): Promise<void> {
  try {
    await restartForgotten(identity);
  } catch (cause) {
    // One of them ended meanwhile, or is too busy to be asked: the update itself is what mends that.
    const reason = cause instanceof Error ? cause.message : String(cause);
    await pulumi.log.warn(`whether containers find each other by name is not known: ${reason}`);
  }
}

async function restartForgotten(identity: string): Promise<void> {
  const ids = (await docker("ps", "-q", ...ofStack(identity), ...declaredOnly))
    .split("\n")
    .filter(Boolean);
  if (ids.length === 0) return;
  const members = await dockerJson<Member>(
    "container",
    "inspect",
    "--format",
    "{{json .}}",
    ...ids,
  );
  const asked = questions(members).map(async ({ asked, names }) => {
    const found = await known(asked, [...names.keys()]);
    return [...names].flatMap(([name, owners]) => (found.has(name) ? [] : owners));
  });
  const lost = new Set((await Promise.all(asked)).flat());
  if (lost.size === 0) return;
  await Promise.all([...lost].map((id) => docker("restart", "--time", "5", id)));
  const who = members.filter(({ Id }) => lost.has(Id)).map(({ Name }) => Name.replace("/", ""));
  await pulumi.log.info(
    `started anew, because their names were not found on their network: ${who.join(", ")}`,
  );
}
