import { describe, expect, test } from "vitest";
import * as format from "./format.ts";

describe("numbers as people read them", () => {
  test("thousands are set apart", () => {
    expect(format.count(1234567)).toBe("1,234,567");
  });

  test("rates keep three digits or so", () => {
    expect([0, 0.254, 41.26, 12345.6].map(format.rate)).toEqual(["0", "0.25", "41.3", "12,346"]);
  });

  test("milliseconds keep three digits or so", () => {
    expect([0.412, 7.314, 42.37, 128.4, 30001].map(format.ms)).toEqual([
      "0.41",
      "7.31",
      "42.4",
      "128",
      "30,001",
    ]);
  });

  test("a share that is not nothing never reads nothing, one that is not all never reads all", () => {
    expect([0, 0.00003, 0.0025, 0.125, 0.99999, 1].map(format.percent)).toEqual([
      "0%",
      "<0.01%",
      "0.25%",
      "12.5%",
      ">99.9%",
      "100%",
    ]);
  });

  test("sizes are in powers of 1024", () => {
    expect([312, 50483, 268435456, 1.5 * 2 ** 30].map(format.bytes)).toEqual([
      "312 B",
      "49.3 KiB",
      "256 MiB",
      "1.5 GiB",
    ]);
  });

  test("durations in words and on a clock", () => {
    expect([8, 125, 3840].map(format.duration)).toEqual(["8 s", "2 min 05 s", "1 h 04 min"]);
    expect([8, 125, 3840].map(format.elapsed)).toEqual(["0:08", "2:05", "1:04:00"]);
  });

  test("an image is known by its digest, or by its tag", () => {
    expect(format.shortImage("host:5000/a/b@sha256:0123456789abcdef0123")).toBe("0123456789ab");
    expect(format.shortImage("registry/team/service:1.2")).toBe("service:1.2");
  });

  test("a threshold is judged in its own unit", () => {
    expect(format.judged("p95<500ms", 16.42)).toBe("16.4 ms");
    expect(format.judged("failures<1%", 0.0025)).toBe("0.25%");
    expect(format.judged("rps>1000", 909.1)).toBe("909");
  });

  test("axes are short", () => {
    expect(format.onAxis("ms", 2500)).toBe("2.5 s");
    expect(format.onAxis("perSecond", 25000)).toBe("25k");
    expect(format.onAxis("share", 0.2)).toBe("20%");
    expect(format.onAxis("bytes", 2 ** 28)).toBe("256 MiB");
  });
});
