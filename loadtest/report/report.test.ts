import { expect, test } from "vitest";
import type { Ended, RunState } from "../events.ts";
import { counts, events, viewOf } from "../fake-events.ts";
import { exceptionsCsv, failuresCsv, historyCsv, statsCsv } from "./csv.ts";
import { exitCode } from "./files.ts";
import { locustBucket, statsJson } from "./json.ts";
import { prometheusText } from "./prometheus.ts";
import { finalTables, progressLine } from "./table.ts";

const run = events([
  [counts("/predict", [1, 2, 3]), counts('/odd, "name"', [40])],
  [counts("/predict", [4, 200], 1)],
]);
const view = viewOf(run);

test("the statistics file has Locust's columns, quoting and line ends", () => {
  const lines = statsCsv(view).split("\r\n");
  expect(lines[0]).toBe(
    "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%",
  );
  expect(lines[1]).toBe(
    "POST,/predict,5,1,3,42.0,1.0,200.0,23.0,2.5,0.5,3,4,4,4,200,200,200,200,200,200,200",
  );
  expect(lines[2]).toMatch(/^POST,"\/odd, ""name""",1,0,40,/);
  expect(lines[3]).toMatch(/^,Aggregated,6,1,3,/);
  expect(lines[4]).toBe("");
});

test("the history has a first row of nothing, then the whole run so far in each second", () => {
  const lines = historyCsv(view, false).trimEnd().split("\r\n");
  expect(lines[0]).toMatch(
    /^Timestamp,User Count,Type,Name,Requests\/s,Failures\/s,50%,.*,Total Average Content Size$/,
  );
  expect(lines[1]).toBe(
    "1000,0,,Aggregated,0.000000,0.000000,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,0,0,0,0.0,0,0,0",
  );
  expect(lines[2]).toMatch(/^1001,10,,Aggregated,4\.000000,0\.000000,2,/);
  expect(lines[3]).toMatch(/^1002,10,,Aggregated,3\.000000,0\.500000,3,.*,6,1,3,/);
  expect(lines.length).toBe(4);
  const full = historyCsv(view, true).trimEnd().split("\r\n");
  expect(full.filter((line) => line.startsWith("1002,10,POST,/predict,"))[0]).toMatch(
    /0,3,4,4,4,200,200,/,
  );
  expect(full.length).toBe(2 + 2 * 3);
});

test("the full history looks ten seconds back", () => {
  const seconds = [[counts("/predict", [900])], ...Array.from({ length: 9 }, () => [])];
  const later = [[counts("/predict", [5])], ...Array.from({ length: 10 }, () => [])];
  const lines = historyCsv(viewOf(events([...seconds, ...later])), true).split("\r\n");
  const p99 = (second: number): string | undefined =>
    lines.find((line) => line.startsWith(`${1000 + second},10,,Aggregated,`))?.split(",")[13];
  expect([1, 10, 11, 20, 21].map(p99)).toEqual(["900", "900", "5", "5", "N/A"]);
});

test("failures and exceptions have Locust's columns", () => {
  expect(failuresCsv(view.failures)).toBe(
    "Method,Name,Error,Occurrences,First Seen,Last Seen\r\nPOST,/predict,status 500,1,1970-01-01T00:16:40Z,1970-01-01T00:16:41Z\r\n",
  );
  const said = 'Invalid input: "/a" is null';
  expect(failuresCsv([{ ...view.failures[0]!, said }])).toContain(
    'POST,/predict,"status 500: Invalid input: ""/a"" is null",1,1970-',
  );
  const thrown = {
    ...view,
    exceptions: [{ message: 'boom, "x"', traceback: "a\nb", count: 2, nodes: ["w1", "w2"] }],
  };
  expect(exceptionsCsv(thrown)).toBe(
    'Count,Message,Traceback,Nodes\r\n2,"boom, ""x""","a\nb","w1,w2"\r\n',
  );
});

test("the JSON is Locust's list, with whole histograms beside", () => {
  const [first] = statsJson(view, view.ended!) as Record<string, unknown>[];
  expect(first).toMatchObject({
    name: "/predict",
    method: "POST",
    num_requests: 5,
    num_failures: 1,
    num_none_requests: 0,
    total_response_time: 210,
    max_response_time: 200,
    min_response_time: 1,
    total_content_length: 115,
    response_times: { 1: 1, 2: 1, 3: 1, 4: 1, 200: 1 },
    num_reqs_per_sec: { 1000: 3, 1001: 2 },
    num_fail_per_sec: { 1001: 1 },
    start_time: 1000,
    generator_limited: null,
  });
  expect((first!["histogram"] as { counts: number[] }).counts.length).toBe(10);
});

test("response times fall into Locust's buckets", () => {
  expect([0.4, 99.4, 154, 1540, 15_400].map(locustBucket)).toEqual([0, 99, 150, 1500, 15_000]);
});

test("the tables say what happened, and when the numbers are about the generator", () => {
  expect(finalTables(view)).toContain("1 (20.00%)");
  expect(progressLine(view)).toContain("10 users");
  const limited = viewOf([
    ...run.slice(0, -1),
    { ...(run.at(-1) as Ended), limited: "the CPU was busy" },
  ]);
  expect(finalTables(limited)).toContain("GENERATOR-LIMITED: the CPU was busy");
  expect(exitCode(limited, 1)).toBe(98);
});

test("a line tells who sends, and of a run that begins or ends that it does", () => {
  const line = (users: number, state: RunState, most: number | null = 1000): string => {
    const { last, started } = view;
    if (last === undefined || started === undefined) throw new Error("no run");
    return progressLine({
      ...view,
      started: { ...started, users: most },
      last: { ...last, users, state },
    });
  };
  expect(line(1, "running")).toMatch(/^ +\d+ s +1 user {2}/);
  expect(line(1000, "running")).toMatch(/1000 users {2}/);
  expect(line(0, "spawning")).toMatch(/ starting {2}/);
  expect(line(0, "stopped")).toMatch(/ stopping {2}/);
  expect(line(0, "stopped")).not.toContain("0 users");
  // Of an open loop only the rate says something.
  expect(line(3, "running", null)).toMatch(/^ +\d+ s +\d+ req\/s/);
  expect(line(1, "running").indexOf("req/s")).toBe(line(1000, "running").indexOf("req/s"));
});

test("the exit status tells apart failures, crossed thresholds and nothing sent", () => {
  expect(exitCode(view, 1)).toBe(1);
  expect(exitCode(view, 7)).toBe(7);
  expect(exitCode(view, 0)).toBe(0);
  const crossed = {
    ...view,
    ended: { ...view.ended!, thresholds: [{ text: "p95<1ms", value: 200, ok: false }] },
  };
  expect(exitCode(crossed, 1)).toBe(99);
  expect(exitCode(viewOf(events([[counts("/predict", [1])]])), 1)).toBe(0);
  expect(exitCode(viewOf(events([[]])), 1)).toBe(2);
});

test("Prometheus is given totals and quantiles by task", () => {
  const text = prometheusText(view);
  expect(text).toContain('loadtest_requests_total{method="POST",name="/predict"} 5');
  expect(text).toContain(
    'loadtest_latency_seconds{method="POST",name="/predict",quantile="0.5"} 0.003',
  );
  expect(text).toContain('name="/odd, \\"name\\""');
});

test("failures are counted by kind, however different what the server says each time", () => {
  const refused = (said: string) => {
    const task = counts("/predict", [1], 1, "status 422");
    return [{ ...task, errors: task.errors.map((error) => ({ ...error, said })) }];
  };
  const both = viewOf(events([refused("row 1 is bad"), refused("row 2 is bad")]));
  expect(both.failures).toMatchObject([
    { error: "status 422", said: "row 1 is bad", occurrences: 2 },
  ]);
  const tables = finalTables(both);
  expect(tables).toMatch(/^POST +\/predict +status 422 +2$/m);
  expect(tables).toContain("What the server said\nPOST /predict, status 422: row 1 is bad");
  expect(finalTables(view)).not.toContain("What the server said");
});
