// From what was seen of a trial: did it pass, and if not, why. Pure.
import type { GatewayView, Observation, Second, Use } from "./observation.ts";
import { judgedText, worst, type Judged } from "./slo.ts";
import type { Outcome } from "./standing.ts";

export type Cause = "CPU" | "memory" | "queue" | "gateway" | "generator" | "machine" | "unknown";

export interface Verdict extends Outcome {
  /** What decided, in words. */
  readonly said: string;
  /** What was short, when it did not pass. */
  readonly cause: Cause | null;
  /** What shows it, in words. */
  readonly evidence: string | null;
}

const percent = (share: number): string => `${Math.round(share * 100)}%`;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** A cause, and what shows it in an observation; undefined where it was not that. */
type Rule = readonly [Cause, (seen: Observation) => string | undefined];

/** Of what decides, the surest first: counters before what follows from them. */
const rules: readonly Rule[] = [
  [
    "memory",
    ({ outOfMemory }) =>
      outOfMemory > 0 ? `out of memory, killed ${outOfMemory} times` : undefined,
  ],
  [
    "memory",
    ({ service }) =>
      service && service.memoryHits > 100 && service.memory > 0.9 * service.memoryLimit
        ? `met its limit ${service.memoryHits} times, ${Math.round(service.memory)} of ${service.memoryLimit} MB`
        : undefined,
  ],
  [
    "CPU",
    ({ service }) =>
      service && (service.throttled > 0.3 || service.cpu > 0.9 * service.cpuLimit)
        ? usedText(service)
        : undefined,
  ],
  [
    "gateway",
    ({ gateway }) =>
      gateway && (gateway.cpu > 0.9 * gateway.cpuLimit || gateway.throttled > 0.3)
        ? `the gateway used ${gateway.cpu.toFixed(2)} of ${gateway.cpuLimit.toFixed(2)} cores`
        : undefined,
  ],
  [
    "machine",
    ({ machine }) =>
      machine !== null && machine > 0.95
        ? `${percent(machine)} of all the machine's CPU was in use`
        : undefined,
  ],
  [
    "unknown",
    ({ restarts }) => (restarts > 0 ? `a replica ended and was started again` : undefined),
  ],
  // Who is held back at all while requests wait for it needs more CPU, however seldom it got to say so:
  // a period that it spends waiting for a core, as on a slow machine, is none in which it is held back.
  [
    "CPU",
    ({ service, gatewayView }) =>
      service && gatewayView && gatewayView.queue > 0 && service.throttled > 0.1
        ? `${usedText(service)} while ${waited(gatewayView)}`
        : undefined,
  ],
  // One that answers nothing for want of CPU does not say what it uses either.
  [
    "CPU",
    ({ service, gatewayView }) =>
      service && gatewayView && gatewayView.queue > 0 && service.unheard > 0.5
        ? `did not get to answer ${percent(service.unheard)} of the looks at it while ${waited(gatewayView)}`
        : undefined,
  ],
  [
    "queue",
    ({ gatewayView }) => (gatewayView && gatewayView.queue > 0 ? waited(gatewayView) : undefined),
  ],
];

const usedText = ({ cpu, cpuLimit, throttled }: Use): string =>
  `used ${cpu.toFixed(2)} of ${cpuLimit.toFixed(2)} cores, held back in ${percent(throttled)} of its periods`;

const waited = ({ queue }: GatewayView): string =>
  `${queue} requests waited in the gateway for a replica`;

/** What made the load not hold, from the counters of every part. */
export function causeOf(seen: Observation): { cause: Cause; evidence: string } {
  for (const [cause, shownBy] of rules) {
    const evidence = shownBy(seen);
    if (evidence !== undefined) return { cause, evidence };
  }
  return { cause: "unknown", evidence: "neither CPU nor memory was short" };
}

/** Why the load was not steady although it met its objectives; undefined when it was. */
export function unsteady(
  seconds: readonly Second[],
  latencyLimit: number | undefined,
): string | undefined {
  if (seconds.length < 6) return undefined;
  const half = Math.floor(seconds.length / 2);
  const [before, after] = [seconds.slice(0, half), seconds.slice(-half)];
  const p95 = (part: readonly Second[]): number => median(part.map((second) => second.p95));
  const rps = (part: readonly Second[]): number => median(part.map((second) => second.rps));
  if (
    latencyLimit !== undefined &&
    p95(after) > 1.5 * p95(before) &&
    p95(after) > latencyLimit / 3
  ) {
    return `p95 rose from ${Math.round(p95(before))} to ${Math.round(p95(after))} ms while the load stayed the same`;
  }
  if (rps(after) < 0.8 * rps(before)) {
    return `replies fell from ${Math.round(rps(before))} to ${Math.round(rps(after))} a second`;
  }
  return undefined;
}

/** @param judged nothing when the configuration never got ready */
export function verdictOf(seen: Observation, judged: readonly Judged[]): Verdict {
  const none = { cause: null, evidence: null };
  if (seen.notReady !== null) {
    const { cause, evidence } = causeOf(seen);
    const memory =
      cause === "memory" ? { cause, evidence } : { cause: "unknown" as const, evidence: null };
    return { verdict: "fail", margin: 1, said: seen.notReady, ...memory };
  }
  const least = worst(judged);
  const met = judged.every((one) => one.met) && seen.endedEarly === null;
  const why = causeOf(seen);
  const itsOwn = seen.outOfMemory > 0 || seen.restarts > 0;
  const isVoid = (cause: Cause, evidence: string): Verdict => ({
    verdict: "void",
    margin: 0,
    said: `${evidence}: it says nothing about these limits`,
    cause,
    evidence,
  });
  if (!itsOwn && seen.generatorLimited !== null) return isVoid("generator", seen.generatorLimited);
  const notItself = !itsOwn && (why.cause === "gateway" || why.cause === "machine");
  if (!met && notItself) return isVoid(why.cause, why.evidence);
  if (!met) {
    const missed = judged.filter((one) => !one.met).map(judgedText);
    const said = [...(seen.endedEarly === null ? [] : [seen.endedEarly]), ...missed].join("; ");
    const margin = seen.endedEarly === null ? (least?.margin ?? 1) : 1;
    return { verdict: "fail", margin, said, ...why };
  }
  if (seen.users < seen.usersAsked) {
    return isVoid("generator", `only ${seen.users} of ${seen.usersAsked} users were there`);
  }
  const limit = judged.find(({ objective }) => objective.unit === "ms")?.objective.limit;
  const rising = unsteady(seen.seconds, limit);
  if (rising !== undefined) {
    if (notItself) return isVoid(why.cause, why.evidence);
    return { verdict: "unstable", margin: 0.05, said: rising, ...why };
  }
  return {
    verdict: "pass",
    margin: least?.margin ?? -1,
    said: judged.map(judgedText).join(", "),
    ...none,
  };
}
