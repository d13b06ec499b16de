import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import { ModelError } from "./fault.ts";
import type { ModelVersion } from "./mlflow.ts";
import { RegistryError } from "./registry-error.ts";
import type { ModelSource } from "./registry.ts";
import type { StoredModel } from "./store.ts";
import {
  nextDelay,
  readAgainDelay,
  watchModel,
  type Clock,
  type WatchEvent,
  type WatchStatus,
} from "./watch.ts";

const versionOf = (version: string): ModelVersion => ({
  name: "iris",
  version,
  runId: "r",
  source: `models:/m-${version}`,
  digest: undefined,
});
const modelOf = (version: string): StoredModel => ({ folder: `/m/${version}`, digest: version });

const SILENT = "";
const AWAY = new Error("connection refused");

/** A registry, a disk and a clock that do as the test says. */
function world(
  start: {
    pointed?: string | Error;
    kept?: string;
    broken?: string;
    unreachable?: [version: string, error: Error];
    hindrance?: Error;
    spoilt?: Error;
    refused?: ModelVersion["refused"];
  } = {},
) {
  let time = 0;
  const wakes: { at: number; wake: () => void }[] = [];
  const clock: Clock = {
    now: () => new Date(time),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        wakes.push({ at: time + ms, wake: resolve });
        signal.addEventListener("abort", () => {
          resolve();
        });
      }),
    random: () => 0.5,
  };
  const state = {
    /** A version, a failure, or SILENT. */
    pointed: start.pointed ?? "1",
    unloadable: new Set(start.broken === undefined ? [] : [start.broken]),
    /** What keeps any version from being tried, as long as it does. */
    hindrance: start.hindrance,
    tries: 0,
    /** Why what was served last cannot be read. */
    spoilt: start.spoilt,
    unreachable: new Map(start.unreachable ? [start.unreachable] : []),
    /** What the registry itself has refused. */
    refused: start.refused,
    kept: start.kept,
    installed: [] as string[],
    events: [] as WatchEvent[],
    told: undefined as WatchStatus | undefined,
    looks: 0,
    downloads: 0,
  };
  const source: ModelSource = {
    resolve: async () => {
      state.looks++;
      if (state.pointed === SILENT) return new Promise(() => undefined);
      if (state.pointed instanceof Error) throw state.pointed;
      const refused = state.refused && { refused: state.refused };
      return Promise.resolve({ ...versionOf(state.pointed), ...refused });
    },
    obtain: ({ version }) => {
      state.downloads++;
      const error = state.unreachable.get(version);
      return error ? Promise.reject(error) : Promise.resolve(modelOf(version));
    },
    last: () => {
      if (state.spoilt) return Promise.reject(state.spoilt);
      return Promise.resolve(
        state.kept === undefined
          ? undefined
          : { version: versionOf(state.kept), model: modelOf(state.kept) },
      );
    },
    remember: ({ version }) => {
      state.kept = version;
      return Promise.resolve();
    },
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await tick();
  };
  const watcher = watchModel({
    source,
    install: (_, { version }) => {
      state.tries++;
      if (state.hindrance) throw state.hindrance;
      if (state.unloadable.has(version)) throw new ModelError(`version ${version} does not load`);
      state.installed.push(version);
      return Promise.resolve();
    },
    on: (event) => state.events.push(event),
    onStatus: (status) => (state.told = status),
    intervalMs: 10_000,
    patienceMs: 3000,
    clock,
  });
  return {
    state,
    watcher,
    settle,
    pass: async (ms: number) => {
      await settle();
      time += ms;
      for (const each of wakes.splice(0)) {
        if (each.at <= time) each.wake();
        else wakes.push(each);
      }
      await settle();
    },
  };
}

/** A registry with one version and no cache, and a clock that stands still. */
function quiet() {
  const source: ModelSource = {
    resolve: () => Promise.resolve(versionOf("1")),
    obtain: ({ version }) => Promise.resolve(modelOf(version)),
    last: () => Promise.resolve(undefined),
    remember: () => Promise.resolve(),
  };
  const clock: Clock = {
    now: () => new Date(0),
    sleep: (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          resolve();
        });
      }),
    random: () => 0.5,
  };
  const turn = async (): Promise<void> => {
    for (let each = 0; each < 20; each++) await tick();
  };
  return { source, clock, turn };
}

test("serves what the alias points at, and what it points at next, with a history of both", async () => {
  const { state, watcher, settle, pass } = world();
  await settle();
  expect(watcher.status()).toMatchObject({ origin: "registry", serving: { version: "1" } });
  state.pointed = "2";
  await pass(10_000);
  expect(state.installed).toEqual(["1", "2"]);
  expect(watcher.status().history).toEqual([
    { version: "2", digest: "2", from: "1970-01-01T00:00:10.000Z" },
    {
      version: "1",
      digest: "1",
      from: "1970-01-01T00:00:00.000Z",
      until: "1970-01-01T00:00:10.000Z",
    },
  ]);
});

test("asks nothing of the store while the alias stays where it is", async () => {
  const { state, pass } = world();
  await pass(10_000);
  await pass(10_000);
  expect(state).toMatchObject({ looks: 3, downloads: 1, installed: ["1"] });
});

test("keeps the old version when the new one does not load, says why, and tries it once only", async () => {
  const { state, watcher, pass } = world();
  state.unloadable.add("2");
  await pass(0);
  state.pointed = "2";
  await pass(10_000);
  await pass(10_000);
  expect(state.installed).toEqual(["1"]);
  expect(watcher.status()).toMatchObject({
    serving: { version: "1" },
    refused: { version: "2", reason: "version 2 does not load" },
  });
  expect(state.events.filter(({ kind }) => kind === "refused")).toHaveLength(1);
  state.pointed = "3";
  await pass(10_000);
  expect(watcher.status()).toMatchObject({ serving: { version: "3" }, refused: undefined });
});

test("forgets a refusal when the alias goes back to what is served", async () => {
  const { state, watcher, pass } = world();
  state.unloadable.add("2");
  await pass(0);
  state.pointed = "2";
  await pass(10_000);
  state.pointed = "1";
  await pass(10_000);
  expect(watcher.status().refused).toBeUndefined();
  expect(state.installed).toEqual(["1"]);
});

test("tells every change of its status: a promotion, a refusal, a failed look and a good one", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  const changes: (() => unknown)[] = [
    () => (state.pointed = "2"),
    () => state.unloadable.add((state.pointed = "3")),
    () => (state.pointed = AWAY),
    () => (state.pointed = "2"),
  ];
  for (const change of changes) {
    const before = state.told;
    change();
    await pass(60_000);
    expect(state.told).not.toEqual(before);
    expect(state.told).toEqual(watcher.status());
  }
  expect(state.told).toMatchObject({ serving: { version: "2" }, check: { failures: 0 } });
});

test("goes on serving while the registry is away and says since how many looks", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = AWAY;
  await pass(10_000);
  await pass(60_000);
  expect(watcher.status()).toMatchObject({
    serving: { version: "1" },
    check: { failures: 2, reason: "connection refused" },
  });
});

test("retries a download that failed", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = "2";
  state.unreachable.set("2", new Error("truncated"));
  await pass(10_000);
  expect(watcher.status()).toMatchObject({
    serving: { version: "1" },
    check: { reason: "truncated" },
  });
  state.unreachable.clear();
  await pass(10_000);
  expect(watcher.status().serving?.version).toBe("2");
});

test("reads a version that cannot be read more and more rarely, and says why all the while", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = "2";
  state.unreachable.set("2", new Error("truncated"));
  const downloads: number[] = [];
  for (let look = 0; look < 18; look++) {
    await pass(10_000);
    downloads.push(state.downloads);
    expect(watcher.status().check).toMatchObject({ reason: "truncated", failures: look + 1 });
  }
  expect(state.looks).toBe(19);
  // Besides the first model's: at 10 s, 20 s, 40 s, 70 s, 120 s and 170 s.
  expect(downloads).toEqual([2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7]);
  state.pointed = "3";
  await pass(10_000);
  expect(watcher.status().serving?.version).toBe("3");
});

test.each([
  ["away", AWAY],
  ["sure that there is no such alias", new RegistryError("no such alias", { permanent: true })],
] as const)("sees within the interval what is put right after it was %s", async (_, error) => {
  for (const start of [{ pointed: error, kept: "1" }, { pointed: error }]) {
    const { state, watcher, pass } = world(start);
    for (let look = 0; look < 10; look++) await pass(10_000);
    state.pointed = "2";
    await pass(10_000);
    expect(watcher.status()).toMatchObject({ serving: { version: "2" }, check: { failures: 0 } });
  }
});

const NO_ONNX = new RegistryError("iris version 2 is no ONNX model", { permanent: true });

test("refuses a version that the registry shows to be unfit, and reads it once only", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = "2";
  state.unreachable.set("2", NO_ONNX);
  for (let look = 0; look < 5; look++) await pass(10_000);
  expect(watcher.status()).toMatchObject({
    serving: { version: "1" },
    refused: { version: "2", reason: "iris version 2 is no ONNX model" },
    check: { failures: 0, reason: undefined },
  });
  expect(state.downloads).toBe(2);
  expect(state.events.map(({ kind }) => kind)).toEqual(["promoted", "refused"]);
  state.pointed = "1";
  await pass(10_000);
  expect(watcher.status().refused).toBeUndefined();
});

test("starts from the kept model when the registry points at an unfit one", async () => {
  const { watcher, pass } = world({ kept: "7", pointed: "2", unreachable: ["2", NO_ONNX] });
  await pass(0);
  expect(watcher.status()).toMatchObject({ origin: "cache", refused: { version: "2" } });
});

test("does not hold it against a version that it may not be read just now", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = "2";
  state.unreachable.set("2", new RegistryError("401", { permanent: true, status: 401 }));
  await pass(10_000);
  expect(watcher.status().refused).toBeUndefined();
  state.unreachable.clear();
  await pass(10_000);
  expect(watcher.status().serving?.version).toBe("2");
});

test.each([
  ["a process that ended", new Error("a process of the service ended while it loaded the model")],
  ["a full disk", Object.assign(new Error("ENOSPC"), { errno: -28, code: "ENOSPC" })],
  [
    "a file that could not be read while the model was loaded",
    new ModelError("EMFILE", { cause: Object.assign(new Error(), { errno: -24, code: "EMFILE" }) }),
  ],
  ["a registry that answered nothing", new RegistryError("no reply within 10 s")],
  ["a registry that says no", new RegistryError("404", { permanent: true, status: 404 })],
])("does not hold %s against a version, and tries it less and less often", async (_, hindrance) => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = "2";
  state.hindrance = hindrance;
  const tries: number[] = [];
  for (let look = 0; look < 8; look++) {
    await pass(10_000);
    tries.push(state.tries);
    expect(watcher.status()).toMatchObject({
      serving: { version: "1" },
      refused: undefined,
      check: { reason: hindrance.message, failures: look + 1 },
    });
  }
  // Besides the first version's: at 10 s, 20 s, 40 s and 70 s.
  expect(tries).toEqual([2, 3, 3, 4, 4, 4, 5, 5]);
  state.hindrance = undefined;
  for (let look = 0; look < 5; look++) await pass(10_000);
  expect(watcher.status()).toMatchObject({ serving: { version: "2" }, check: { failures: 0 } });
});

test("what a version did wrong itself stays refused, whatever passes beside it", async () => {
  const { state, watcher, pass } = world();
  state.unloadable.add("2");
  await pass(0);
  state.pointed = "2";
  await pass(10_000);
  state.pointed = AWAY;
  await pass(10_000);
  expect(watcher.status()).toMatchObject({ refused: { version: "2" }, check: { failures: 1 } });
  state.pointed = "2";
  state.hindrance = new Error("a process ended");
  for (let look = 0; look < 5; look++) await pass(10_000);
  expect(watcher.status()).toMatchObject({ refused: { version: "2" }, check: { failures: 0 } });
  expect(state.tries).toBe(2);
});

test("neither what is pointed at nor what was served last is tried again and again when both are at fault", async () => {
  const { state, watcher, pass } = world({ kept: "7", pointed: "8", broken: "8" });
  state.unloadable.add("7");
  for (let look = 0; look < 5; look++) await pass(10_000);
  expect(state.tries).toBe(2);
  expect(watcher.status()).toMatchObject({ serving: undefined, refused: { version: "8" } });
});

test.each([["what is pointed at", "1"] as const, ["nothing more", AWAY] as const])(
  "a start at which nothing can be tried refuses nothing, and serves later, with %s",
  async (_, pointed) => {
    const hindrance = new Error("no process can be started");
    const { state, watcher, pass } = world({ kept: "1", pointed, hindrance });
    await pass(0);
    expect(state.tries).toBe(1);
    expect(watcher.status()).toMatchObject({ serving: undefined, refused: undefined });
    expect(watcher.status().check?.reason).toContain("no process can be started");
    state.hindrance = undefined;
    await pass(10_000);
    expect(watcher.status()).toMatchObject({ serving: { version: "1" } });
  },
);

const SPOILT = new Error("EROFS: read-only file system");

test.each([
  ["away", AWAY],
  ["silent", SILENT],
  ["pointing at what does not load", "8"],
])("a cache that cannot be read ends nothing while the registry is %s", async (_, pointed) => {
  const { state, watcher, pass } = world({ kept: "7", pointed, broken: "8", spoilt: SPOILT });
  await pass(3000);
  if (pointed !== SILENT) expect(watcher.status().check?.reason).toContain("cannot be read: EROFS");
  if (pointed === SILENT) return;
  state.pointed = "9";
  await pass(10_000);
  expect(watcher.status()).toMatchObject({ serving: { version: "9" }, check: { failures: 0 } });
  await watcher.stop();
});

test("goes on though those who are told of it fail", async () => {
  const { source, clock, turn } = quiet();
  const installed: string[] = [];
  const broken = (): never => {
    throw new Error("the log is gone");
  };
  const watcher = watchModel({
    source,
    clock,
    intervalMs: 10,
    install: (_, { version }) => {
      installed.push(version);
      return Promise.resolve();
    },
    on: broken,
    onStatus: broken,
  });
  await turn();
  expect(installed).toEqual(["1"]);
  expect(watcher.status()).toMatchObject({ serving: { version: "1" }, check: { failures: 0 } });
  await watcher.stop();
});

test("refuses what the registry itself says must not be served, until it says otherwise", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.pointed = "2";
  state.refused = { version: "2", reason: "being converted" };
  await pass(10_000);
  await pass(10_000);
  expect(watcher.status().refused).toMatchObject({ version: "2", reason: "being converted" });
  state.refused = { version: "2", reason: "agrees on 3 of 1000 rows" };
  await pass(10_000);
  expect(watcher.status().refused).toMatchObject({ reason: "agrees on 3 of 1000 rows" });
  expect(state.downloads).toBe(1);
  expect(state.events.filter(({ kind }) => kind === "refused")).toHaveLength(2);
  state.refused = undefined;
  await pass(10_000);
  expect(watcher.status()).toMatchObject({ serving: { version: "2" }, refused: undefined });
  // What serves is not ended by a word.
  state.refused = { version: "2", reason: "on second thoughts" };
  await pass(10_000);
  expect(watcher.status()).toMatchObject({ serving: { version: "2" }, refused: undefined });
});

test("serves no kept copy of what the registry has refused since", async () => {
  const { watcher, pass } = world({
    kept: "2",
    pointed: "2",
    refused: { version: "2", reason: "it was withdrawn" },
  });
  await pass(0);
  expect(watcher.status()).toMatchObject({ serving: undefined, refused: { version: "2" } });
});

test("shows what was refused before it came here, serves what came, and forgets it with its reason", async () => {
  const { state, watcher, pass } = world();
  await pass(0);
  state.refused = { version: "2", reason: "it cannot be converted" };
  await pass(10_000);
  expect(state.installed).toEqual(["1"]);
  expect(watcher.status()).toMatchObject({
    serving: { version: "1" },
    refused: { version: "2", reason: "it cannot be converted" },
  });
  await pass(10_000);
  await pass(10_000);
  expect(state.events.map(({ kind }) => kind)).toEqual(["promoted", "refused"]);
  state.refused = undefined;
  await pass(10_000);
  expect(watcher.status().refused).toBeUndefined();
  expect(state.installed).toEqual(["1"]);
});

test("waits with backoff when there is neither a registry nor a kept model", async () => {
  const { state, watcher, pass } = world({ pointed: AWAY });
  await pass(0);
  const waits = [375, 750, 1500, 3000];
  for (const wait of waits) await pass(wait);
  expect(state.looks).toBe(1 + waits.length);
  expect(watcher.status().serving).toBeUndefined();
});

test.each([["away", AWAY] as const, ["silent", SILENT] as const])(
  "starts from the kept model when the registry is %s",
  async (_, pointed) => {
    const { watcher, pass } = world({ kept: "7", pointed });
    await pass(3000);
    expect(watcher.status()).toMatchObject({ origin: "cache", serving: { version: "7" } });
  },
);

test("confirms a kept model without installing it again once the registry is back", async () => {
  const { state, watcher, pass } = world({ kept: "7", pointed: AWAY });
  await pass(0);
  state.pointed = "7";
  await pass(60_000);
  expect(watcher.status().origin).toBe("registry");
  expect(state.installed).toEqual(["7"]);
});

test("falls back to the kept model when the very first version is refused", async () => {
  const { watcher, pass } = world({ kept: "7", pointed: "8", broken: "8" });
  await pass(0);
  expect(watcher.status()).toMatchObject({
    origin: "cache",
    serving: { version: "7" },
    refused: { version: "8" },
  });
});

test("stops at once, in the middle of a wait", async () => {
  const { state, watcher, pass, settle } = world();
  await pass(0);
  await watcher.stop();
  const { looks } = state;
  await settle();
  expect(state.looks).toBe(looks);
});

test("draws waits from a range, so that replicas do not ask together", () => {
  const healthy = { serving: true, failures: 0 };
  expect(nextDelay(healthy, 10_000, 0)).toBe(8000);
  expect(nextDelay(healthy, 10_000, 1)).toBeCloseTo(12_000);
  expect(nextDelay({ serving: false, failures: 1 }, 10_000, 0)).toBe(250);
  expect(nextDelay({ serving: false, failures: 50 }, 10_000, 1)).toBe(10_000);
  expect(nextDelay({ serving: true, failures: 50 }, 10_000, 0)).toBe(8000);
  expect(readAgainDelay({ serving: false, failures: 1 }, 10_000, 0)).toBe(250);
  expect(readAgainDelay({ serving: true, failures: 1 }, 10_000, 1)).toBe(10_000);
  expect(readAgainDelay({ serving: true, failures: 50 }, 10_000, 1)).toBe(60_000);
});
