import { describe, expect, test } from "vitest";
import { emptyView, fold, type RunView } from "../../events.ts";
import { ended, row, started, tick } from "../sample.ts";
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
