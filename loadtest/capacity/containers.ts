// The stack's containers on the engine, found by their labels.
import { docker, dockerJson } from "../../infra/engine.ts";
import { ofStackNamed } from "../../infra/stack-named.ts";
import { label } from "../../toolchain/clone.mjs";
import type { PartLimits } from "./observation.ts";

export type WatchedPart = "service" | "gateway" | "loadtest" | "worker";

export interface StackContainers {
  readonly ids: Readonly<Record<WatchedPart, readonly string[]>>;
  readonly limits: Readonly<Record<WatchedPart, PartLimits>>;
}

const parts: readonly WatchedPart[] = ["service", "gateway", "loadtest", "worker"];

interface Inspected {
  Id: string;
  Config: { Labels: Record<string, string> };
  HostConfig: { NanoCpus: number; Memory: number };
}

/** Those that run, of a stack. Full ids. */
export async function stackContainers(stack: string): Promise<StackContainers> {
  const ids = (await docker("ps", "-q", ...ofStackNamed(stack))).split("\n").filter(Boolean);
  const found =
    ids.length === 0
      ? []
      : await dockerJson<Inspected>("container", "inspect", "--format", "{{json .}}", ...ids);
  const of = (part: WatchedPart): Inspected[] =>
    found.filter((one) => one.Config.Labels[label.part] === part);
  const each = <T>(value: (part: WatchedPart) => T): Record<WatchedPart, T> =>
    Object.fromEntries(parts.map((part) => [part, value(part)])) as Record<WatchedPart, T>;
  return {
    ids: each((part) => of(part).map(({ Id }) => Id)),
    limits: each((part) => {
      const host = of(part)[0]?.HostConfig;
      return { cpus: (host?.NanoCpus ?? 0) / 1e9, memory: (host?.Memory ?? 0) / 1024 ** 2 };
    }),
  };
}
