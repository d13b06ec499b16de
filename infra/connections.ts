// The networks that a stack's containers are on. The provider does not look whether they still are.
import * as pulumi from "@pulumi/pulumi";
import type { State } from "../toolchain/launcher/state.mjs";
import { declaredOnly, docker, dockerJson, ofStack } from "./engine.ts";

/** A container that was taken off a network that it is declared to be on. */
export interface Cut {
  readonly id: string;
  readonly network: string;
  readonly aliases: readonly string[];
}

/** As much of a container as is looked at. */
export interface Connected {
  readonly Id: string;
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

interface Declared {
  readonly name: string;
  readonly aliases?: readonly string[];
}

/** What is to be connected again. Pure. */
export function cuts(state: State | undefined, containers: readonly Connected[]): Cut[] {
  const kept = state?.filter((one) => !("delete" in one));
  const declared = new Map(kept?.map(({ id, inputs }) => [id, inputs?.["networksAdvanced"]]));
  return containers.flatMap(({ Id, NetworkSettings: { Networks } }) =>
    ((declared.get(Id) ?? []) as readonly Declared[])
      .filter(({ name }) => !(name in Networks))
      .map(({ name, aliases = [] }) => ({ id: Id, network: name, aliases })),
  );
}

/** Puts containers back on the networks that somebody took them off by hand. */
export async function reconnect(identity: string, state: State | undefined): Promise<void> {
  const ids = (await docker("ps", "-aq", ...ofStack(identity), ...declaredOnly))
    .split("\n")
    .filter(Boolean);
  if (ids.length === 0) return;
  const format = ["container", "inspect", "--format", "{{json .}}"];
  for (const { id, network, aliases } of cuts(state, await dockerJson(...format, ...ids))) {
    const named = aliases.flatMap((alias) => ["--alias", alias]);
    const what = `the container ${id.slice(0, 12)}, which had been taken off the network ${network}`;
    try {
      await docker("network", "connect", ...named, network, id);
      await pulumi.log.info(`put back ${what}`);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      // The network is made anew by the update, and whoever was on it with it.
      if (/network \S+ not found/.test(reason)) continue;
      await pulumi.log.warn(`${what}, cannot be put back: ${reason}`);
    }
  }
}
