// The same for Swarm services: their tasks end on any node, so what Swarm keeps of them is looked at.
import * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { declaredOnly, docker, dockerJson, logOf, ofStack } from "./engine.ts";
import type { Part } from "./stack-identity.ts";
import { isDoomed, obituary, type Start } from "./start-verdict.ts";

interface Task {
  readonly ID: string;
  /** Of its place, such as "name.1"; those before it in that place have " \_ " in front. */
  readonly Name: string;
  /** A word and how long ago: "Failed 3 seconds ago". */
  readonly CurrentState: string;
  readonly Error: string;
}

interface Service {
  readonly ID: string;
  readonly Spec: {
    readonly Name: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly TaskTemplate: {
      readonly Resources?: { readonly Limits?: { readonly MemoryBytes?: number } };
    };
  };
  readonly UpdateStatus?: { readonly State: string; readonly StartedAt?: string };
}

const everyMs = 2000;
const mebibyte = 1024 ** 2;
/** What a process ends with that the kernel kills: for want of memory, nearly always. */
const KILLED = 137;

const isFailure = ({ CurrentState }: Task): boolean => /^(Failed|Rejected)/.test(CurrentState);
const place = ({ Name }: Task): string => Name.replace(/^[\s\\_]+/, "");

/** What befell a service, of its tasks, the latest first. Pure. */
export function startOf(name: string, part: Part, tasks: readonly Task[]): Start {
  const failures = tasks.filter(isFailure);
  const counts = Map.groupBy(failures, place);
  const [latest] = failures;
  const exitCode = Number(/non-zero exit \((\d+)\)/.exec(latest?.Error ?? "")?.[1] ?? 0);
  return {
    kind: "service",
    name,
    part,
    exits: Math.max(0, ...[...counts.values()].map(({ length }) => length)),
    exitCode,
    outOfMemory: exitCode === KILLED,
    unhealthy: false,
    ...(latest !== undefined && exitCode === 0
      ? { refusal: latest.Error.replace(/^"|"$/g, "") }
      : {}),
  };
}

const idsOf = async (identity: string): Promise<string[]> => {
  const ids = await docker("service", "ls", "-q", ...ofStack(identity), ...declaredOnly);
  return ids.split("\n").filter(Boolean);
};

const servicesOf = async (identity: string): Promise<Service[]> => {
  const ids = await idsOf(identity);
  return ids.length === 0 ? [] : dockerJson("service", "inspect", "--format", "{{json .}}", ...ids);
};

async function judge(stack: string, service: Service, isNew: boolean): Promise<boolean> {
  const { Name, Labels, TaskTemplate } = service.Spec;
  const format = ["--no-trunc", "--format", "{{json .}}"];
  const tasks = await dockerJson<Task>("service", "ps", ...format, service.ID);
  if (isNew && tasks.some(({ CurrentState }) => CurrentState.startsWith("Running"))) return true;
  const start = startOf(Name, Labels[label.part] as Part, tasks);
  const latest = tasks.find(isFailure);
  if (latest === undefined || (isNew && !isDoomed(start))) return false;
  await pulumi.log.error(
    obituary(start, {
      stack,
      words: await logOf(latest.ID, "service").catch(() => ""),
      memory: Math.round((TaskTemplate.Resources?.Limits?.MemoryBytes ?? 0) / mebibyte),
      check: "",
      ...(isNew ? {} : { instead: "Swarm goes back to what ran before." }),
    }),
  );
  if (isNew) await docker("service", "rm", service.ID);
  return true;
}

/**
 * Watches the services that the running update makes or changes; it does not keep the program.
 * @param managed whether the engine manages a Swarm already: where it does not, this update makes one, and
 *   all services are new
 */
export async function watchServices(
  stack: string,
  identity: string,
  managed: boolean,
): Promise<void> {
  const there = managed ? await servicesOf(identity) : [];
  const before = new Map(there.map((one) => [one.ID, one.UpdateStatus]));
  const settled = new Set<string>();
  const look = async (): Promise<void> => {
    for (const service of await servicesOf(identity)) {
      const { ID, UpdateStatus } = service;
      const isNew = !before.has(ID);
      const failed =
        /^rollback|^paused/.test(UpdateStatus?.State ?? "") &&
        UpdateStatus?.StartedAt !== before.get(ID)?.StartedAt;
      if (settled.has(ID) || !(isNew || failed)) continue;
      if (await judge(stack, service, isNew)) settled.add(ID);
    }
  };
  const again = (): void => {
    setTimeout(
      () =>
        void look()
          .catch(() => undefined)
          .then(again),
      everyMs,
    ).unref();
  };
  again();
}
