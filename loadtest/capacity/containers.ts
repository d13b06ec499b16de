// The stack's containers on the engine, found by their labels.
import { docker, dockerJson } from "../../infra/engine.ts";
import { cloneId, label } from "../../toolchain/clone.mjs";

export type WatchedPart = "service" | "gateway" | "loadtest" | "worker";

export interface StackContainers {
  readonly ids: Readonly<Record<WatchedPart, readonly string[]>>;
  /** Cores, MiB. */
  readonly limits: Readonly<Record<WatchedPart, { cpus: number; memory: number }>>;
}

const parts: readonly WatchedPart[] = ["service", "gateway", "loadtest", "worker"];

interface Inspected {
  Id: string;
  Config: { Labels: Record<string, string> };
  HostConfig: { NanoCpus: number; Memory: number };
}

/** Those that run, of this clone's stack. Full ids. */
export async function stackContainers(stack: string): Promise<StackContainers> {
  const mine = [`label=${label.clone}=${cloneId}`, `label=${label.stack}=${stack}`];
  const ids = (await docker("ps", "-q", ...mine.flatMap((filter) => ["--filter", filter])))
    .split("\n")
    .filter(Boolean);
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

interface GatewayCounters {
  readonly waiting: number;
  readonly errors: number;
  readonly retries: number;
}

/** From HAProxy's `show stat`: CSV with a header line. Pure. */
export function parseGatewayCounters(csv: string): GatewayCounters {
  const [header = "", ...lines] = csv.trim().split("\n");
  const columns = header.replace(/^# /, "").split(",");
  const rows = lines.map((line) => {
    const cells = line.split(",");
    return (name: string): string => cells[columns.indexOf(name)] ?? "";
  });
  const row = (proxy: string, kind: string, name: string): number =>
    rows
      .filter((cell) => cell("pxname") === proxy && cell("svname") === kind)
      .reduce((sum, cell) => sum + Number(cell(name) || 0), 0);
  return {
    waiting: row("replicas", "BACKEND", "qcur"),
    errors: row("api", "FRONTEND", "hrsp_5xx"),
    retries: row("replicas", "BACKEND", "wretr") + row("replicas", "BACKEND", "wredis"),
  };
}

/** undefined where the gateway does not answer. */
export async function gatewayCounters(gateway: string): Promise<GatewayCounters | undefined> {
  try {
    return parseGatewayCounters(await docker("exec", gateway, "/gateway/stats"));
  } catch {
    return undefined;
  }
}
