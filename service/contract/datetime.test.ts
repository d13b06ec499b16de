import fc from "fast-check";
import { expect, it } from "vitest";
import { nanoseconds, notTime } from "./datetime.ts";
import { Decimal } from "./decimal.ts";

// Each as pandas counts it: `pd.Timestamp(text).value`.
it.each([
  ["1970-01-01", 0n],
  ["2020-01-31", 1_580_428_800_000_000_000n],
  ["2020-01-31T12:00", 1_580_472_000_000_000_000n],
  ["2020-01-31 12:00:00", 1_580_472_000_000_000_000n],
  ["2020-01-31T12:00:00.5", 1_580_472_000_500_000_000n],
  ["2020-01-31T12:00:00.123456789", 1_580_472_000_123_456_789n],
  ["1969-12-31T23:59:59.999999999", -1n],
  ["1700-02-28", -8_515_324_800_000_000_000n],
])("counts %s", (value, expected) => {
  expect(notTime(value)).toBeUndefined();
  expect(nanoseconds(value)).toBe(expected);
});

it("takes whole numbers as nanoseconds", () => {
  for (const value of [0, -1, new Decimal(2 ** 53, 2n ** 53n + 1n)])
    expect(notTime(value)).toBeUndefined();
  expect(notTime(new Decimal(1, undefined))).toBe("kind");
});

it.each([
  ["2020-02-30", "form"],
  ["2020-01-31T24:00:00", "form"],
  ["2020-1-31", "form"],
  ["yesterday", "form"],
  ["2020-01-31T12:00:00Z", "zone"],
  ["2020-01-31T12:00:00+02:00", "zone"],
  ["2300-01-01", "range"],
  ["1600-01-01", "range"],
  [1e19, "range"],
  [1.5, "kind"],
  [true, "kind"],
  [null, "kind"],
])("does not take %s", (value, reason) => {
  expect(notTime(value)).toBe(reason);
});

it("reads every time as JavaScript does", () => {
  const range = { min: new Date("1678-01-01"), max: new Date("2262-01-01"), noInvalidDate: true };
  fc.assert(
    fc.property(fc.date(range), (date) => {
      expect(nanoseconds(date.toISOString().slice(0, -1))).toBe(
        BigInt(date.getTime()) * 1_000_000n,
      );
    }),
  );
});
