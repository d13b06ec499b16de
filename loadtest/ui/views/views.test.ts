import { describe, expect, test } from "vitest";
import { emptyView, fold, type RunView } from "../../events.ts";
import { ended, row, started, tick } from "../sample.ts";
import type { ToldSearch, ToldTrial } from "../../told-search.ts";
import { cellOf, standing } from "./capacity.ts";
import { limitedBy } from "./header.ts";
import { ratios } from "./lists.ts";
import { sorted } from "./table.ts";
import { nextTab, tabOf } from "./tabs.ts";
import { firstState, measuredSeconds } from "../state.ts";

const run = (...events: Parameters<typeof fold>[1][]): RunView =>
  events.reduce<RunView>(fold, emptyView());

describe("a generator that is the limit", () => {
  const limited = tick(1, {}, [], { limited: "worker-1 used 98% of its core" });

  test("is told for some seconds, so that it can be read", () => {
    expect(limitedBy(run(started(), limited, tick(2), tick(3)))).toContain("98%");
    expect(limitedBy(run(started(), limited, ...[2, 3, 4, 5, 6].map((at) => tick(at))))).toBeNull();
  });

  test("of a finished run is what the whole run says", () => {
    expect(limitedBy(run(started(), limited, ended()))).toBeNull();
    expect(limitedBy(run(started(), tick(1), ended({ limited: "send lag" })))).toBe("send lag");
  });
});

describe("tables", () => {
  const columns = [
    { title: "Name", key: ({ name }: { name: string }) => name },
    { title: "N", key: ({ n }: { n: number }) => n },
  ];
  const rows = [
    { name: "b10", n: 2 },
    { name: "b9", n: 10 },
  ];

  test("sort numbers as numbers and names as people do", () => {
    expect(sorted(rows, columns, { column: 1, descending: true })[0]!.n).toBe(10);
    expect(sorted(rows, columns, { column: 0, descending: false })[0]!.name).toBe("b9");
  });

  test("stay as they came until someone sorts them", () => {
    expect(sorted(rows, columns, undefined)).toBe(rows);
  });
});

describe("tabs", () => {
  test("go round by arrows, and to their ends by Home and End", () => {
    expect(
      ["ArrowRight", "ArrowLeft", "Home", "End", "x"].map((key) => nextTab(key, 8, 9)),
    ).toEqual([0, 7, 0, 8, undefined]);
  });

  test("are found by the address; a report has none that need a master", () => {
    expect(tabOf("#runs", firstState("live"))).toBe("runs");
    expect(tabOf("#runs", firstState("report"))).toBe("statistics");
    expect(tabOf("#nonsense", firstState("live"))).toBe("statistics");
  });
});

describe("a capacity search", () => {
  const at = (cpus: number) => ({ cpus, memory: 128, replicas: 1 });
  const made = (cpus: number, verdict: ToldTrial["verdict"]): ToldTrial => ({
    limits: at(cpus),
    verdict,
    purpose: "search",
    said: "",
    p95: 1,
    rps: 1,
    failures: 0,
    seconds: 1,
  });
  const search: ToldSearch = {
    question: "100 users",
    axes: { cpus: [0.1, 0.2, 0.5, 1], memory: [128], replicas: [1] },
    trials: [
      made(0.1, "fail"),
      made(0.2, "pass"),
      made(0.2, "void"),
      made(0.2, "unstable"),
      made(0.5, "pass"),
      made(0.5, "pass"),
    ],
    now: { limits: at(0.2), purpose: "confirm" },
    best: { limits: at(0.5), proven: false },
    declared: null,
    ended: false,
  };

  test("is a map of what held, of how many trials; void ones say nothing", () => {
    const kinds = search.axes.cpus.map((cpus) => cellOf(search, at(cpus)));
    expect(kinds.map(({ kind }) => kind)).toEqual(["fails", "mixed", "holds", "untried"]);
    expect(kinds.map(({ passed, made: of }) => `${passed}/${of}`)).toEqual([
      "0/1",
      "1/2",
      "2/2",
      "0/0",
    ]);
    expect(kinds.map(({ best, now }) => [best, now])).toEqual([
      [false, false],
      [false, true],
      [true, false],
      [false, false],
    ]);
  });

  test("says how it stands, and calls nothing an answer that is not proven", () => {
    expect(standing(search)).toBe(
      "The best so far is 0.5 CPU, 128 MiB. Trial 7: 0.2 CPU, 128 MiB (confirm).",
    );
    const proven = { limits: at(0.5), proven: true };
    expect(standing({ ...search, best: proven, now: null, ended: true })).toBe(
      "The answer is 0.5 CPU, 128 MiB, and less does not hold.",
    );
    expect(standing({ ...search, now: null, ended: true })).toContain("not yet proven");
    expect(standing({ ...search, best: null, now: null, ended: true })).toContain("nothing held");
    const table = { ...search, best: null, declared: 7 };
    expect(standing(table)).toMatch(/^Trial \d of 7: /);
    expect(standing({ ...table, now: null })).toMatch(/^\d of 7 trials are made; \d held\.$/);
  });

  test("outlives the runs it is made of", () => {
    const view = run(started(), { type: "capacity", search }, ended(), started(), tick(1));
    expect(view.capacity).toBe(search);
  });
});

test("a task's share is told as planned and as measured", () => {
  const tasks = [
    { method: "GET", name: "/a", weight: 3 },
    { method: "GET", name: "/b", weight: 1 },
  ];
  const rows = [row({ method: "GET", name: "/a", requests: 30 })];
  const view = run(started({ tasks }), tick(1, { requests: 60 }, [], { rows }));
  expect(ratios(view)).toEqual([
    { task: "GET /a", planned: 0.75, measured: 0.5 },
    { task: "GET /b", planned: 0.25, measured: 0 },
  ]);
});

test("rates of a run whose statistics were begun anew count from there", () => {
  expect(measuredSeconds(run(started(), tick(4), { type: "reset", at: 5 }, tick(8)))).toBe(3);
});
