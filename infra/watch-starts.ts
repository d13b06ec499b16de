// What an update starts and what never gets ready is told of and taken away at once. Providers only wait:
// they end where what they wait for is gone.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { declaredOnly, docker, dockerHost, dockerJson, logOf, ofStack } from "./engine.ts";
import type { Part } from "./stack-identity.ts";
import { isDoomed, obituary, type Start } from "./start-verdict.ts";

interface Event {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

interface Inspected {
  readonly State: {
    readonly OOMKilled: boolean;
    readonly ExitCode: number;
    readonly Health?: { readonly Log: readonly { readonly Output: string }[] | null };
  };
  readonly HostConfig: { readonly Memory: number };
}

/** One container since it was made. */
interface Watched {
  exits: number;
  outOfMemory: boolean;
  /** It was ready, or it is judged: nothing more is said of it. */
  settled: boolean;
}

const mebibyte = 1024 ** 2;

/** Containers that the program declared and the engine has. */
const containersOf = async (identity: string): Promise<ReadonlySet<string>> =>
  new Set(
    (await docker("ps", "-aq", "--no-trunc", ...ofStack(identity), ...declaredOnly)).split("\n"),
  );

/** Tells of a container that will never be ready, then takes it away. */
async function bury(stack: string, id: string, start: Omit<Start, "kind">): Promise<void> {
  const [found] = await dockerJson<Inspected>("inspect", "--format", "{{json .}}", id);
  if (found === undefined) return;
  const words = await logOf(id).catch(() => "");
  await pulumi.log.error(
    obituary(
      { ...start, kind: "container" },
      {
        stack,
        words,
        memory: Math.round(found.HostConfig.Memory / mebibyte),
        check: found.State.Health?.Log?.at(-1)?.Output ?? "",
      },
    ),
  );
  await docker("rm", "-f", "-v", id);
}

/**
 * Watches the containers that the running update makes, until the program ends. What was there before is
 * left alone, and so is what was ready once.
 */
export async function watchStarts(stack: string, identity: string): Promise<void> {
  const before = await containersOf(identity);
  const watched = new Map<string, Watched>();
  const actions = ["oom", "die", "health_status"].flatMap((event) => [
    "--filter",
    `event=${event}`,
  ]);
  const events = spawn(
    "docker",
    [
      ...["-H", dockerHost(), "events", "--format", "{{json .}}", "--filter", "type=container"],
      ...[...actions, ...ofStack(identity), ...declaredOnly],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  // It ends with the program, and does not keep it.
  events.unref();
  (events.stdout as unknown as { unref(): void }).unref();
  process.once("exit", () => events.kill());
  events.once("error", () => undefined);

  const hear = async ({ Action, Actor: { ID, Attributes } }: Event): Promise<void> => {
    if (before.has(ID)) return;
    const known = watched.get(ID) ?? { exits: 0, outOfMemory: false, settled: false };
    watched.set(ID, known);
    if (Action === "health_status: healthy") known.settled = true;
    if (known.settled) return;
    if (Action === "oom") known.outOfMemory = true;
    if (Action === "die") known.exits += 1;
    const start = {
      name: Attributes["name"] ?? ID,
      part: Attributes[label.part] as Part,
      exits: known.exits,
      exitCode: Number(Attributes["exitCode"] ?? 0),
      outOfMemory: known.exits > 0 && known.outOfMemory,
      unhealthy: Action === "health_status: unhealthy",
    };
    if (!isDoomed({ ...start, kind: "container" })) return;
    known.settled = true;
    await bury(stack, ID, start);
  };
  createInterface({ input: events.stdout }).on("line", (line) => {
    // Gone meanwhile, or the engine is: the provider says so itself.
    hear(JSON.parse(line) as Event).catch(() => undefined);
  });
}
