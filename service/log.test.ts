import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { AccessLog } from "./log.ts";

function record(): { log: AccessLog; lines: Record<string, unknown>[]; clock: { ms: number } } {
  const lines: Record<string, unknown>[] = [];
  const clock = { ms: 5000 };
  const sink = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  return { log: new AccessLog(pino({}, sink), () => clock.ms), lines, clock };
}

const access = {
  method: "POST",
  route: "/predict",
  status: 200,
  ms: 1,
  requestId: "a",
  traceparent: "00-ab-cd-01",
};

describe("access log", () => {
  it("writes a few lines a second, keeps room for failures, and says how many it left out", () => {
    const { log, lines, clock } = record();
    const log1 = (status: number): void => {
      if (log.wants(status)) log.write({ ...access, status });
    };
    for (let i = 0; i < 1000; i++) log1(200);
    expect(lines).toHaveLength(10);
    log1(503);
    expect(lines.at(-1)).toMatchObject({ status: 503, leftOut: 990 });
    clock.ms += 1000;
    log1(200);
    expect(lines.at(-1)).toMatchObject({ status: 200, traceparent: "00-ab-cd-01", requestId: "a" });
  });
});
