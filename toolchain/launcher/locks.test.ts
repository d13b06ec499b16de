import { expect, test } from "vitest";
import { deadLocks, type Host, lockNames } from "./locks.mjs";

const at = (seconds: number) => Date.parse("2030-01-01T12:00:00Z") + seconds * 1000;
/** Held since noon, by a process that started a second before. */
const lock = {
  file: "lock.json",
  pid: 4711,
  hostname: "here",
  timestamp: "2030-01-01T12:00:00.123456789Z",
};
const host = {
  hostname: "here",
  alone: true,
  bootTime: at(-3600),
  startOf: () => undefined,
  isCli: () => false,
};

test.each<[string, Partial<Host>, boolean]>([
  ["its process is gone", {}, true],
  ["its process lives", { startOf: () => at(-1) }, false],
  ["its number was given to another since", { startOf: () => at(60) }, true],
  ["it started at about that time", { startOf: () => at(1) }, false],
  ["when the process started cannot be known", { startOf: () => "unknown" }, false],
  [
    "the machine booted since, and the number lives",
    { bootTime: at(60), startOf: () => at(-1) },
    true,
  ],
  ["when the machine booted cannot be known", { bootTime: undefined }, true],
  [
    "the clock was set forward since, and its process lives",
    { bootTime: at(7200), startOf: () => at(7300), isCli: () => true },
    false,
  ],
  ["it is of another host", { hostname: "there" }, false],
  ["another host or container uses this clone too", { alone: false }, false],
  ["the same, and the machine booted since", { alone: false, bootTime: at(60) }, false],
])("a lock is cleared or kept: %s", (_, differs, cleared) => {
  expect(deadLocks([lock], { ...host, ...differs })).toEqual(cleared ? [lock] : []);
});

test("a lock that does not say when it was made is kept", () => {
  expect(deadLocks([{ ...lock, timestamp: "" }], host)).toEqual([]);
});

test("of two locks, only the dead one is cleared", () => {
  const live = { ...lock, pid: 12, file: "live.json" };
  const startOf = (pid: number) => (pid === 12 ? at(-1) : undefined);
  expect(deadLocks([live, lock], { ...host, startOf })).toEqual([lock]);
});

test("a lock and what the backend keeps beside it are one update that holds it", () => {
  expect(lockNames(["2d54.json", "2d54.json.attrs"])).toEqual(["2d54.json"]);
  expect(lockNames(["9068.json.attrs"])).toEqual([]);
});
