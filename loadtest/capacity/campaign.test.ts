import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { campaign, type Ending } from "./campaign.ts";
import { certify } from "./certificate.ts";
import { Journal } from "./journal.ts";
import { defaultPrices } from "./price.ts";
import type { TrialRecord } from "./record.ts";
import type { ReportData } from "./report/data.ts";
import { html } from "./report/html.ts";
import { markdown } from "./report/markdown.ts";
import type { Purpose, SearchOptions } from "./search.ts";
import type { Limits } from "./space.ts";

const search: SearchOptions = {
  axes: { cpus: [0.1, 0.2, 0.5, 1], memory: [80, 128, 256], replicas: [1, 2] },
  prices: defaultPrices,
  repeats: 3,
};

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "capacity-"));
  file = join(dir, "journal.jsonl");
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

/** Holds from 0.2 CPU and 128 MB on. */
function record(limits: Limits, purpose: Purpose): TrialRecord {
  const pass = limits.cpus >= 0.2 && limits.memory >= 128;
  return {
    limits,
    purpose,
    at: 0,
    took: { up: 5, load: 10, total: 15 },
    image: "sha256:1",
    latency: { p50: 1, p95: 2, p99: 3, max: 4 },
    rps: 100,
    requests: 1000,
    failures: pass ? 0 : 7,
    errors: {},
    seen: {
      notReady: null,
      endedEarly: null,
      generatorLimited: null,
      users: 10,
      usersAsked: 10,
      outOfMemory: 0,
      restarts: 0,
      service: null,
      gateway: null,
      generator: null,
      gatewayView: null,
      machine: null,
    },
    series: [{ t: 1, users: 10, rps: 100, p50: 1, p95: 2, p99: 3, failures: 0 }],
    verdict: pass ? "pass" : "fail",
    margin: pass ? -0.7 : 1,
    said: pass ? "p95 was 2 ms" : "<7> requests failed",
    cause: pass ? null : "CPU",
    evidence: pass ? null : "held back",
  };
}

function run(
  trial: (limits: Limits, purpose: Purpose) => TrialRecord,
  budget: number | null = null,
): Promise<Ending> {
  return campaign({
    search,
    journal: Journal.open(file, "q"),
    budget,
    trial: (limits, purpose) => Promise.resolve(trial(limits, purpose)),
    heard: () => undefined,
  });
}

const kept = (): readonly TrialRecord[] => Journal.open(file, "q").state.trials;

describe("a search with a journal", () => {
  test("ends with a complete certificate of the cheapest that holds", async () => {
    expect(await run(record)).toBe("done");
    expect(certify(search, kept())).toMatchObject({
      complete: true,
      winner: { cpus: 0.2, memory: 128, replicas: 1 },
      passesInARow: 3,
    });
  });

  test("killed in each of its trials, and torn in the middle of a line, it makes the same trials", async () => {
    await run(record);
    const whole = kept().map(({ limits }) => limits);
    rmSync(file);
    let made = 0;
    for (;;) {
      let here = 0;
      const ended = await run((limits, purpose) => {
        if (here++ === 1) throw new Error("killed");
        made += 1;
        return record(limits, purpose);
      }).catch(() => "killed" as const);
      if (ended === "done") break;
      appendFileSync(file, '{"type":"trial","trial":{"lim');
    }
    expect(kept().map(({ limits }) => limits)).toEqual(whole);
    expect(made).toBe(whole.length);
    expect(readFileSync(file, "utf8")).not.toContain('"lim\n');
    expect(Journal.open(file, "q").state.cutShort).toBeGreaterThan(0);
  });

  test("ends when its budget is used, with what it could prove", async () => {
    expect(await run(record, 100)).toBe("done");
    expect(kept().reduce((sum, { took }) => sum + took.total, 0)).toBeLessThanOrEqual(100);
  });

  test("ends when something else is the limit again and again", async () => {
    const ended = await run((limits, purpose) => ({
      ...record(limits, purpose),
      verdict: "void",
      margin: 0,
    }));
    expect(ended).toBe("void");
    expect(kept()).toHaveLength(4);
  });

  test("its report names the winner, every trial and what decided, and its page needs nothing else", async () => {
    await run(record);
    const trials = kept();
    const data: ReportData = {
      title: "What 10 users take",
      stack: "dev",
      plan: { users: 10, spawnRate: 10, settle: 1, steady: 5 },
      slo: "p95<500ms,failures=0",
      prices: defaultPrices,
      trials,
      certificate: certify(search, trials) ?? null,
      ending: "",
      notRunnable: [],
      declared: [],
      machine: "2 cores",
    };
    const text = markdown(data);
    expect(text).toContain("**0.2 CPU, 128MB** holds 10 users");
    expect(text).toContain("Less cpus (0.1 CPU, 128MB): failed.");
    expect(text).toContain("Less memory (0.2 CPU, 80MB): failed.");
    expect(text).toContain("Less replicas: the least of this search.");
    const page = html(data);
    expect(page.match(/<svg/g)?.length).toBe(3);
    expect(page).toContain("&lt;7&gt; requests failed");
    expect(page).not.toMatch(/<script|https?:/);
  });
});
