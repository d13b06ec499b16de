import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Histogram, type HistogramData } from "../../loadtest/engine/histogram.ts";
import { helper, prefer, runMain, watchStarving } from "./processes.ts";
import type { Recorded } from "./scripted-server.ts";

let server: Awaited<ReturnType<typeof helper<Recorded>>>;
beforeAll(async () => {
  server = await helper<Recorded>("scripted-server.ts");
  prefer(server.pid);
});
afterAll(() => {
  server.end();
});

interface Entry {
  num_requests: number;
  num_failures: number;
  histogram: HistogramData;
  generator_limited: string | null;
}

async function measure(users: number) {
  const file = join(mkdtempSync(join(tmpdir(), "accuracy-")), "run");
  const { child, finished } = runMain(
    "run",
    "-H",
    server.url,
    "-u",
    String(users),
    "-r",
    "500",
    "-t",
    "20s",
    "--json-file",
    file,
    "--only-summary",
  );
  prefer(child.pid ?? 0);
  const starved = watchStarving([child.pid ?? 0, server.pid]);
  const { code, stdout } = await finished;
  const [entry] = JSON.parse(readFileSync(`${file}.json`, "utf8")) as [Entry];
  return { code, stdout, entry, truth: await server.ask(), starved: starved() };
}

interface Line {
  quantile: string;
  text: string;
  ok: boolean;
}

/** Each quantile beside the truth; up to p99 within 1% or 0.5 ms, beyond within 2% or 2 ms. */
function compare(entry: Entry, truth: Recorded): Line[] {
  const histogram = Histogram.fromData(entry.histogram);
  return Object.entries(truth.quantiles).map(([name, ms]) => {
    const quantile = Number(name);
    const measured = histogram.quantile(quantile) / 1000;
    const bound = quantile > 0.99 ? Math.max(2, 0.02 * ms) : Math.max(0.5, 0.01 * ms);
    const ok = Math.abs(measured - ms) <= bound;
    const text = `p${quantile * 100} ${measured.toFixed(2)} for ${ms.toFixed(2)} ms (within ${bound.toFixed(2)})`;
    return { quantile: name, text: ok ? text : `${text} WRONG`, ok };
  });
}

const mostTries = 5;

/** Replies are scripted to take 220 ms at most: where they took longer even the server was held up. */
const stalledMs = 224;
const starvedShare = 0.25;

// Two processes share two cores with whatever else runs. A moment in which the server has a request,
// or the generator a reply, and gets no core is in no record of theirs, and one of 20 ms decides
// p99.9. So a try may be made again: what the generator itself does wrong is wrong in each, and every
// quantile has to be right in one. Only a machine that never left both alone is not asked for p99.9.
test.each([1000, 5000])(
  "%i users: percentiles are the server's own, and every request is counted",
  async (users) => {
    const tries: string[] = [];
    const right = new Set<string>();
    let leftAlone = false;
    for (let i = 0; i < mostTries; i += 1) {
      const { code, entry, truth, stdout, starved } = await measure(users);
      expect(entry.num_requests, stdout).toBe(truth.count);
      expect(entry.num_failures, stdout).toBe(0);
      expect(code).toBe(entry.generator_limited === null ? 0 : 98);
      const lines = compare(entry, truth);
      const disturbed = (truth.quantiles["0.999"] ?? 0) > stalledMs || starved > starvedShare;
      leftAlone ||= !disturbed;
      const text = [
        `${users} users, ${truth.count} requests counted by both; without a core ${(starved * 100).toFixed(1)}% of the time${disturbed ? ", disturbed" : ""}; generator-limited: ${entry.generator_limited ?? "no"}`,
        ...lines.map((line) => `  ${line.text}`),
      ].join("\n");
      console.log(text);
      tries.push(text);
      for (const { quantile, ok } of lines) if (ok) right.add(quantile);
      if (right.size === lines.length) return;
    }
    const asked = ["0.5", "0.75", "0.9", "0.95", "0.99", ...(leftAlone ? ["0.999"] : [])];
    expect(
      asked.filter((quantile) => !right.has(quantile)),
      tries.join("\n"),
    ).toEqual([]);
  },
);
