// Kept runs side by side: what they were run on, what came out, and how far that is from the first.
import type { RunSummary } from "../api.ts";
import { bytes, count, day, duration, ms, percent, rate, shortImage } from "./format.ts";

export interface CompareRow {
  title: string;
  /** One for each run. */
  cells: { text: string; full?: string; change: Change | null }[];
}

/** Against the first run: "+12%", and whether that is for the better. */
export interface Change {
  text: string;
  verdict: "better" | "worse" | "same";
}

interface Fact {
  title: string;
  text: (run: RunSummary) => string;
  full?: (run: RunSummary) => string;
}

interface Measure extends Fact {
  value: (run: RunSummary) => number;
  better: "high" | "low" | null;
}

const facts: Fact[] = [
  { title: "Started", text: (run) => day(run.startedAt) },
  { title: "Load", text: (run) => run.load },
  { title: "Host", text: (run) => run.host },
  { title: "cpus", text: ({ stack }) => (stack?.cpus == null ? "–" : String(stack.cpus)) },
  { title: "memory", text: ({ stack }) => (stack?.memory == null ? "–" : bytes(stack.memory)) },
  {
    title: "replicas",
    text: ({ stack }) => (stack?.replicas == null ? "–" : String(stack.replicas)),
  },
  { title: "Model", text: ({ stack }) => stack?.model ?? "–" },
  {
    title: "Image",
    text: ({ stack }) =>
      stack?.image == null || stack.image === "" ? "–" : shortImage(stack.image),
    full: ({ stack }) => stack?.image ?? "",
  },
];

const latency = (title: string, value: (run: RunSummary) => number): Measure => ({
  title,
  value,
  text: (run) => (run.requests === 0 ? "–" : `${ms(value(run))} ms`),
  better: "low",
});

export const failureShare = ({ failures, requests }: RunSummary): number =>
  requests === 0 ? 0 : failures / requests;

const measures: Measure[] = [
  {
    title: "Duration",
    value: (run) => run.endedAt - run.startedAt,
    text: (run) => duration(run.endedAt - run.startedAt),
    better: null,
  },
  {
    title: "Users at the peak",
    value: ({ users }) => users,
    text: ({ users }) => count(users),
    better: null,
  },
  {
    title: "Requests",
    value: ({ requests }) => requests,
    text: ({ requests }) => count(requests),
    better: null,
  },
  { title: "Requests/s", value: ({ rps }) => rps, text: ({ rps }) => rate(rps), better: "high" },
  {
    title: "Failures",
    value: failureShare,
    text: (run) => percent(failureShare(run)),
    better: "low",
  },
  latency("Average", ({ mean }) => mean),
  latency("p50", ({ p50 }) => p50),
  latency("p95", ({ p95 }) => p95),
  latency("p99", ({ p99 }) => p99),
  latency("Max", ({ max }) => max),
];

/** Changes smaller than this are noise to a reader. */
const same = 0.005;

export function change(first: number, now: number, better: "high" | "low" | null): Change | null {
  if (first === 0) return null;
  const by = now / first - 1;
  const text = `${by < 0 ? "−" : "+"}${(Math.abs(by) * 100).toFixed(Math.abs(by) < 0.1 ? 1 : 0)}%`;
  if (Math.abs(by) < same) return { text: "±0%", verdict: "same" };
  if (better === null) return { text, verdict: "same" };
  return { text, verdict: by > 0 === (better === "high") ? "better" : "worse" };
}

export function compareRows(runs: readonly RunSummary[]): CompareRow[] {
  const first = runs[0];
  if (first === undefined) return [];
  return [
    ...facts.map(({ title, text, full }) => ({
      title,
      cells: runs.map((run) => ({
        text: text(run),
        ...(full === undefined ? {} : { full: full(run) }),
        change: null,
      })),
    })),
    ...measures.map(({ title, text, value, better }) => ({
      title,
      cells: runs.map((run) => ({
        text: text(run),
        change: run === first ? null : change(value(first), value(run), better),
      })),
    })),
    {
      title: "Result",
      cells: runs.map((run) => ({ text: verdictOf(run), change: null })),
    },
  ];
}

/** What there is to be said of a run in a word or two. */
export function verdictOf({ limited, thresholds, reason }: RunSummary): string {
  if (limited !== null) return "generator-limited";
  const crossed = thresholds.filter(({ ok }) => !ok);
  if (crossed.length > 0) return `crossed ${crossed.map(({ text }) => text).join(", ")}`;
  return thresholds.length > 0 ? "thresholds held" : reason;
}

/** A letter for each run compared: A, B, C, … */
export const letter = (i: number): string => String.fromCharCode(65 + (i % 26));
