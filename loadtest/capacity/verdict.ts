// From what was seen of a trial: did it pass, and if not, why. Pure.
import type { Observation, Second } from "./observation.ts";
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

/** What made the load not hold, from the counters of every part. */
export function causeOf(seen: Observation): { cause: Cause; evidence: string } {
  const { service, gateway, gatewayView, machine } = seen;
  if (seen.outOfMemory > 0) {
    return { cause: "memory", evidence: `out of memory, killed ${seen.outOfMemory} times` };
  }
  if (service) {
    const { cpu, cpuLimit, throttled, memory, memoryLimit, memoryHits } = service;
    if (memoryHits > 100 && memory > 0.9 * memoryLimit) {
      return {
        cause: "memory",
        evidence: `met its limit ${memoryHits} times, ${Math.round(memory)} of ${memoryLimit} MB`,
      };
    }
    if (throttled > 0.3 || cpu > 0.9 * cpuLimit) {
      return {
        cause: "CPU",
        evidence: `used ${cpu.toFixed(2)} of ${cpuLimit.toFixed(2)} cores, held back in ${percent(throttled)} of its periods`,
      };
    }
  }
  if (gateway && (gateway.cpu > 0.9 * gateway.cpuLimit || gateway.throttled > 0.3)) {
    return {
      cause: "gateway",
      evidence: `the gateway used ${gateway.cpu.toFixed(2)} of ${gateway.cpuLimit.toFixed(2)} cores`,
    };
  }
  if (machine !== null && machine > 0.95) {
    return {
      cause: "machine",
      evidence: `${percent(machine)} of all the machine's CPU was in use`,
    };
  }
  if (seen.restarts > 0) {
    return { cause: "unknown", evidence: `a replica ended and was started again` };
  }
  if (gatewayView && gatewayView.queue > 0) {
    return {
      cause: "queue",
      evidence: `${gatewayView.queue} requests waited in the gateway for a replica`,
    };
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
