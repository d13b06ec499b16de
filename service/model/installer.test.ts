import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { isFault } from "./fault.ts";
import { Installer } from "./installer.ts";
import { machineMs, ModelSlot } from "./slot.ts";

const root = join(import.meta.dirname, "../..");
const iris = (version: string) => ({
  path: join(root, "service/models/iris"),
  name: "iris",
  version,
  loadedAt: "2026-01-02T03:04:05.000Z",
});
const other = { ...iris("2"), path: join(root, "test/models/regression") };

const observer = { batch() {}, waited() {}, dropped() {} };
const options = { batching: true, maxBatchRows: 8, maxQueuedRows: 8, deadline: 1000, observer };

let slot: ModelSlot;
let installer: Installer;
beforeEach(() => {
  slot = new ModelSlot(options);
  installer = new Installer(slot, { threads: 1, allowContractChange: false });
});
const served = () => slot.current?.model.version;

test("a prepared model serves from the agreed instant on, and not before it", async () => {
  await installer.commit(iris("1"));
  installer.prepare(iris("2"));
  expect(served()).toBe("1");
  const at = machineMs() + 200;
  const settled = installer.commit(iris("2"), at);
  let before = 0;
  while (machineMs() < at - 1) {
    if (served() === "1") before++;
  }
  expect(before).toBeGreaterThan(0);
  while (machineMs() < at);
  // No timer could run in this loop: whoever asks after the instant gets the new one all the same.
  expect(served()).toBe("2");
  await settled;
  expect(served()).toBe("2");
  expect(slot.history.map(({ version }) => version)).toEqual(["1"]);
});

test("an agreed model serves without a request to ask for it", async () => {
  await installer.commit(iris("1"));
  await installer.commit(iris("2"), machineMs() + 20);
  expect(slot.history).toHaveLength(1);
});

test("all processes say that a model was loaded when the first one loaded it", async () => {
  await installer.commit(iris("1"));
  expect(slot.current?.model.loadedAt.toISOString()).toBe("2026-01-02T03:04:05.000Z");
});

test("a model with another contract is refused unless allowed, and the old one goes on", async () => {
  await installer.commit(iris("1"));
  expect(() => {
    installer.prepare(other);
  }).toThrow(/sepal_length is not taken any more.*config set allowContractChange true -s <stack>/);
  expect(served()).toBe("1");
  const lenient = new Installer(slot, { threads: 1, allowContractChange: true });
  lenient.prepare(other);
  await lenient.commit(other);
  expect(served()).toBe("2");
});

test("a model is blamed for what it is, and not for a file that this machine does not give", async () => {
  await installer.commit(iris("1"));
  const caught = (path: string): unknown => {
    try {
      installer.prepare({ ...iris("2"), path });
    } catch (error) {
      return error;
    }
    return undefined;
  };
  const folder = mkdtempSync(join(tmpdir(), "installer-"));
  try {
    expect(isFault(caught(other.path))).toBe(true);
    expect(isFault(caught(folder))).toBe(true);
    writeFileSync(join(folder, "model.onnx"), "no model");
    expect(isFault(caught(folder))).toBe(true);
    writeFileSync(join(folder, "MLmodel"), `flavors:\n  onnx:\n    data: ${"x".repeat(300)}\n`);
    expect(isFault(caught(folder))).toBe(true);
    // Somebody who shares the cache has removed it.
    const gone = caught(join(folder, "gone"));
    expect(String(gone)).toContain("ENOENT");
    expect(isFault(gone)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(served()).toBe("1");
});

test("what was prepared and given up is loaded anew when it is served after all", async () => {
  installer.prepare(iris("1"));
  installer.discard();
  await installer.commit(iris("1"));
  expect(served()).toBe("1");
});
