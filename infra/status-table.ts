import { label } from "../toolchain/clone.mjs";
import type { FrontStatus } from "./front.ts";
import { hint } from "./hint.ts";
import type { ModelStatus } from "./replica-models.ts";
import { countOf } from "./replica-requests.ts";
import type { SwarmStatus } from "./status-swarm.ts";

/** As much of `docker container inspect` as is looked at. */
export interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Image: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly StartedAt: string;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly RestartCount: number;
  readonly Config: { readonly Image: string; readonly Labels: Readonly<Record<string, string>> };
  readonly HostConfig: { readonly NanoCpus: number; readonly Memory: number };
  readonly NetworkSettings: {
    readonly Ports: Readonly<
      Record<string, readonly { HostIp: string; HostPort: string }[] | null>
    >;
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
}

export interface ContainerStatus {
  readonly part: string;
  readonly name: string;
  /** running, exited, …; with the health check's verdict where there is one. */
  readonly state: string;
  /** Cores; 0 is no limit. */
  readonly cpus: number;
  /** MiB; 0 is no limit. */
  readonly memory: number;
  /** Id of the image it runs. */
  readonly image: string;
  readonly networks: Readonly<Record<string, string>>;
  readonly published: readonly string[];
  readonly since: string;
  readonly restarts: number;
  /** Requests since it started; null for what is no replica, or does not answer. */
  readonly requests: number | null;
}

export interface NetworkStatus {
  readonly name: string;
  readonly driver: string;
  readonly members: readonly string[];
}

/** As much of `docker network inspect` as is looked at. */
export interface InspectedNetwork {
  readonly Name: string;
  readonly Driver: string;
  /** By container; and by other words where an end of it is Swarm's own, such as a load balancer. */
  readonly Containers: Readonly<Record<string, { readonly Name: string }>> | null;
}

export const networkStatus = (network: InspectedNetwork): NetworkStatus => ({
  name: network.Name,
  driver: network.Driver,
  members: Object.entries(network.Containers ?? {})
    .filter(([id]) => /^[0-9a-f]{64}$/.test(id))
    .map(([, { Name }]) => Name)
    .sort(),
});

/** @param requests what replicas counted, by their address */
export function containerStatus(
  c: Inspected,
  requests: ReadonlyMap<string, number>,
): ContainerStatus {
  const part = c.Config.Labels[label.part] ?? "";
  const addresses = Object.entries(c.NetworkSettings.Networks).map(
    ([network, { IPAddress }]) => [network, IPAddress] as const,
  );
  const health = c.State.Health?.Status;
  const oom = c.State.OOMKilled ? ", out of memory" : "";
  return {
    part,
    name: c.Name.replace(/^\//, ""),
    state: `${health === undefined ? c.State.Status : `${c.State.Status}, ${health}`}${oom}`,
    cpus: c.HostConfig.NanoCpus / 1e9,
    memory: c.HostConfig.Memory / 1024 ** 2,
    image: c.Image.replace(/^sha256:/, "").slice(0, 12),
    networks: Object.fromEntries(addresses),
    published: Object.entries(c.NetworkSettings.Ports).flatMap(([inside, outside]) =>
      (outside ?? []).map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}->${inside}`),
    ),
    since: c.State.StartedAt,
    restarts: c.RestartCount,
    requests:
      part === "service"
        ? countOf(
            addresses.map(([, address]) => address),
            requests,
          )
        : null,
  };
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const limit = (amount: number, unit: string) => (amount === 0 ? "none" : `${amount}${unit}`);

/** Twenty characters that show a share of 1. */
const bar = (share: number) => "█".repeat(Math.round(share * 20)).padEnd(20, "·");

const clock = (since: string): string => since.replace("T", " ").slice(0, 19);

function swarmTables({ nodes, services, tasks }: SwarmStatus): string[] {
  return [
    table([
      ["node", "state", "role", "tasks here"],
      ...nodes.map((n) => [n.name, n.state, n.role, String(n.tasks)]),
    ]),
    "",
    table([
      ["part", "service", "replicas", "cpus", "memory", "image", "last update"],
      ...services.map((s) => [
        ...[s.part, s.name, `${s.running} of ${s.replicas}`],
        ...[limit(s.cpus, ""), limit(s.memory, "MB"), s.image, s.update ?? "-"],
      ]),
    ]),
    "",
    table([
      ["task", "id", "node", "state", "wanted", "since", "error"],
      ...tasks.map((t) => [
        ...[t.name, t.id, t.node || "-", t.state, t.desired, clock(t.since), t.error ?? "-"],
      ]),
    ]),
    "",
  ];
}

const refusedText = ({ refused }: ModelStatus): string =>
  refused === undefined ? "-" : `version ${refused.version}: ${refused.reason}`;

const frontText = (stack: string, { url, open, answer }: FrontStatus): string =>
  open
    ? `${url} is open: a replica answers`
    : `${url} ${answer}: nobody gets in. ${hint.up(stack)} mends what can be mended.`;

export function renderStatus(status: {
  readonly stack: string;
  readonly containers: readonly ContainerStatus[];
  readonly networks: readonly NetworkStatus[];
  readonly models: readonly ModelStatus[];
  readonly front?: FrontStatus | null;
  readonly swarm: SwarmStatus | null;
}): string {
  const { stack, containers, networks, models, front, swarm } = status;
  if (containers.length === 0 && swarm === null) {
    return `${stack}: nothing runs. Bring it up with ${hint.up(stack)}.`;
  }
  const rows = containers.map((c) => [
    c.part,
    c.name,
    c.state,
    limit(c.cpus, ""),
    limit(c.memory, "MB"),
    c.image,
    String(c.restarts),
    c.published.join(" ") || "-",
  ]);
  const replicas = [
    ...containers,
    ...(swarm?.tasks ?? []).map((t) => ({ ...t, name: `${t.name} on ${t.node}` })),
  ].filter(({ part, state }) => part === "service" && state.startsWith("running"));
  const all = replicas.reduce((sum, { requests }) => sum + (requests ?? 0), 0);
  const shares = replicas.map(({ name, requests }) => {
    const share = all === 0 ? 0 : (requests ?? 0) / all;
    return requests === null
      ? [name, "no answer", "", ""]
      : [name, String(requests), `${(share * 100).toFixed(1)}%`, bar(share)];
  });
  return [
    stack,
    table([["part", "name", "state", "cpus", "memory", "image", "restarts", "published"], ...rows]),
    "",
    ...(swarm === null ? [] : swarmTables(swarm)),
    table([
      ["network", "driver", "who is on it"],
      ...networks.map((n) => [n.name, n.driver, n.members.join(", ") || "-"]),
    ]),
    "",
    table([
      ["model", "version", "replicas", "refused"],
      ...models.map((m) => [m.name, m.version, String(m.replicas), refusedText(m)]),
    ]),
    "",
    table([["replica", "requests", "share", ""], ...shares]),
    ...(front ? ["", frontText(stack, front)] : []),
  ].join("\n");
}
