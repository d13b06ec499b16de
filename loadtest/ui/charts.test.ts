import { describe, expect, test } from "vitest";
import { Histogram } from "../engine/histogram.ts";
import { emptyView, fold, type RunView } from "../events.ts";
import { chartsOf, inWords, overlaid, place } from "./charts.ts";
import { ended, replica, started, tick } from "./sample.ts";

const run = (...events: Parameters<typeof fold>[1][]): RunView =>
  events.reduce<RunView>(fold, emptyView());

const values = (view: RunView, chart: string, line: string): (number | null)[] | undefined =>
  chartsOf(view)
    .find(({ id }) => id === chart)
    ?.lines.find(({ label }) => label === line)?.values;

describe("the charts of a run", () => {
  test("a second without a reply has no latency, and is no second of 0 ms", () => {
    const view = run(started(), tick(1, { rps: 10, p95: 20 }), tick(2, { rps: 0, p95: 0 }));
    expect(values(view, "latency", "p95")).toEqual([20, null]);
    expect(values(view, "rps", "requests/s")).toEqual([10, 0]);
  });

  test("each replica is a line, and one that comes later has no past", () => {
    const view = run(
      started(),
      tick(1, {}, [replica("a", { cpu: 0.5 })]),
      tick(2, {}, [replica("a", { cpu: 0.6 }), replica("b", { cpu: 0.1 })]),
    );
    expect(values(view, "cpu", "a")).toEqual([0.5, 0.6]);
    expect(values(view, "cpu", "b")).toEqual([null, 0.1]);
    expect(values(view, "cpu", "limit")).toEqual([1, 1]);
  });

  test("many replicas are told by their least, mean and most", () => {
    const many = Array.from({ length: 12 }, (_, i) => replica(`r${i}`, { cpu: i }));
    const view = run(started(), tick(1, {}, many));
    expect(values(view, "cpu", "least")).toEqual([0]);
    expect(values(view, "cpu", "mean")).toEqual([5.5]);
    expect(values(view, "cpu", "most")).toEqual([11]);
  });

  test("a target that says nothing of itself gets no empty charts", () => {
    const view = run(started(), tick(1));
    expect(chartsOf(view).map(({ id }) => id)).not.toContain("memory");
  });

  test("a finished run shows how slow its slowest replies were", () => {
    const latency = new Histogram();
    for (let i = 1; i <= 1000; i += 1) latency.record(i * 1000);
    const view = run(started(), tick(1), ended({ histograms: [whole(latency)] }));
    const chart = chartsOf(view).find(({ id }) => id === "percentiles")!;
    const at = (nines: number): number => chart.lines[0]!.values[chart.at.indexOf(nines)]!;
    expect(at(0)).toBeCloseTo(1, 0);
    expect(at(1) / 900).toBeCloseTo(1, 2);
    expect(at(2) / 990).toBeCloseTo(1, 2);
    expect(place(chart, 2)).toBe("99%");
    // Of a thousand replies nothing is known beyond one in a thousand.
    expect(chart.at.at(-1)).toBe(3);
  });

  test("a chart is told in words", () => {
    const view = run(started(), tick(1, { rps: 10 }), tick(2, { rps: 30 }), tick(3, { rps: 20 }));
    expect(inWords(chartsOf(view)[0]!)).toContain(
      "requests/s: last 20.0/s, lowest 10.0/s, highest 30.0/s.",
    );
  });
});

describe("runs laid over each other", () => {
  test("each counts its seconds from its own start", () => {
    const one = run(started({ at: 1000 }), tick(1001, { rps: 10 }), tick(1002, { rps: 20 }));
    const two = run(started({ at: 5000 }), tick(5001.4, { rps: 30 }));
    const chart = overlaid([
      { label: "A", view: one },
      { label: "B", view: two },
    ]).find(({ id }) => id === "compare-rps")!;
    expect(chart.at).toEqual([0, 1, 2]);
    expect(chart.lines.map((line) => line.values)).toEqual([
      [null, 10, 20],
      [null, 30, null],
    ]);
  });
});

const whole = (latency: Histogram) => ({ method: "", name: "Aggregated", data: latency.toData() });
