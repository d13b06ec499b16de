// `npm run trust -- attack`: each attack for itself, with a neighbour beside it, then thousands of hostile
// requests twice, on a stack of two small replicas.
import { setTimeout } from "node:timers/promises";
import { type Clone, docker } from "../../clone.ts";
import type { Seen } from "../../open-loop.ts";
import attacks, { type Scene } from "./attacks.ts";
import { hostile } from "./hostile.ts";
import { lost, neighbour, peakMemory, restarts } from "./watch.ts";

/** What the stack is that is attacked. */
export const attacked = { cpus: "0.25", memory: "128MB", replicas: "2" } as const;

export interface Suffered {
  readonly name: string;
  readonly what: string;
  readonly said: string;
  readonly neighbour: Seen;
  readonly restarts: number;
  /** MiB of a replica. */
  readonly peak: number;
  /** What may not be; nothing where all is well. */
  readonly wrong: readonly string[];
}

export interface Attacked {
  readonly scale: number;
  readonly suffered: readonly Suffered[];
}

const rate = 50;

/** Where things are, as somebody on the machine and in the network reaches them. */
export function sceneOf(clone: Clone, apiUrl: string, scale: number): Scene {
  const { hostname, port } = new URL(apiUrl);
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
  const replicas = clone
    .containers("service")
    .map((id) => docker("inspect", "-f", format, id).split(" ")[0] ?? "")
    .map((host) => ({ host, port: 8000 }));
  return { gateway: { host: hostname, port: Number(port) }, replicas, scale };
}

/** Lets something happen beside a neighbour, and says what it cost. */
export async function suffer(
  clone: Clone,
  apiUrl: string,
  name: string,
  what: string,
  happen: () => Promise<{ readonly said: string; readonly wrong?: string | undefined }>,
): Promise<Suffered> {
  const ids = [...clone.containers("service"), ...clone.containers("gateway")];
  const before = restarts(ids);
  const peak = peakMemory(clone.containers("service"));
  const beside = neighbour(apiUrl, rate);
  await setTimeout(1000);
  const { said, wrong } = await happen();
  await setTimeout(2000);
  const seen = await beside.stop();
  const again = restarts(ids) - before;
  return {
    ...{ name, what, said, neighbour: seen, restarts: again, peak: await peak() },
    wrong: [
      ...(wrong === undefined ? [] : [wrong]),
      ...(again > 0 ? [`${again} restarts`] : []),
      ...(lost(seen) > 0 ? [`the neighbour lost ${JSON.stringify(seen.failed)}`] : []),
    ],
  };
}

/** @param tell hears how it goes, a line at a time */
export async function attack(
  clone: Clone,
  apiUrl: string,
  { scale, seed, names }: { scale: number; seed: number; names?: readonly string[] },
  tell: (line: string) => void,
): Promise<Attacked> {
  const scene = sceneOf(clone, apiUrl, scale);
  const suffered: Suffered[] = [];
  const note = (one: Suffered): void => {
    suffered.push(one);
    const { name, said, neighbour: seen, peak, wrong } = one;
    const verdict = wrong.length === 0 ? "held" : `WRONG: ${wrong.join("; ")}`;
    tell(
      `${name}: ${said}; neighbour lost ${lost(seen)} of ${seen.sent}, p99 ${seen.p99} ms; ` +
        `replica ${peak.toFixed(0)} MiB; ${verdict}`,
    );
  };
  for (const one of attacks) {
    if (names && !names.includes(one.name)) continue;
    note(await suffer(clone, apiUrl, one.name, one.what, () => one.run(scene)));
  }
  if (names && !names.includes("hostile")) return { scale, suffered };
  const count = Math.ceil(100_000 * scale);
  for (const round of ["hostile", "hostile again"]) {
    const what = `${count.toLocaleString("en")} hostile requests by seed ${seed}, half of them over HTTP/2`;
    note(
      await suffer(clone, apiUrl, round, what, async () => {
        const counts = await hostile(scene.gateway, count, seed);
        const bad = [...counts].filter(([status]) => /^5/.test(status) && status !== "503");
        const said = [...counts].map(([status, n]) => `${n} × ${status}`).join(", ");
        return { said, wrong: bad.length > 0 ? `replies of ${bad.join(" ")}` : undefined };
      }),
    );
  }
  const [first, second] = suffered.slice(-2);
  if (first && second && second.peak > 1.1 * first.peak) {
    const grew = `the second round took ${second.peak.toFixed(0)} MiB, the first ${first.peak.toFixed(0)}`;
    suffered.splice(-1, 1, { ...second, wrong: [...second.wrong, grew] });
  }
  return { scale, suffered };
}
