import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isFault } from "../model/fault.ts";
import type { RemoteFile } from "../model/remote.ts";
import { createStore } from "../model/store.ts";
import { kept, servable } from "./conversions.ts";
import type { Outcome } from "./exchange.ts";

let folder: string;
let conversions: string[];
let outcome: (original: string) => Outcome;
let refusal: string | undefined;
const signal = new AbortController().signal;

const file = (path: string, content: string): RemoteFile => ({
  path,
  size: content.length,
  md5: undefined,
  open: () => Promise.resolve(Readable.from([Buffer.from(content)])),
});

/** Everything anew, as after a restart, but for what is on the disk. */
const parts = (recipe = "today") => ({
  store: createStore({
    directory: join(folder, "converted"),
    maxBytes: 1000,
    stallTimeoutMs: 1000,
  }),
  exchange: {
    convert: (original: string) => {
      conversions.push(original);
      return Promise.resolve(outcome(original));
    },
  },
  recipe,
  tryOut: () => (refusal === undefined ? Promise.resolve() : Promise.reject(new Error(refusal))),
});

const original = (flavor: string, digest: string) => {
  const home = mkdtempSync(join(folder, "original-"));
  writeFileSync(join(home, "MLmodel"), `flavors:\n  ${flavor}: {}\n`);
  return { folder: home, digest };
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conversions-"));
  conversions = [];
  refusal = undefined;
  outcome = (given) => ({ files: [file("MLmodel", "onnx"), file("model.onnx", given)] });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("an ONNX model is handed on as it is", async () => {
  const model = original("onnx", "a");
  expect(await servable(model, parts(), signal)).toEqual(model);
  expect(conversions).toEqual([]);
});

test("each pickle is converted once, over restarts and back and forth", async () => {
  const [one, two] = [original("sklearn", "a"), original("sklearn", "b")];
  const first = await servable(one, parts(), signal);
  const second = await servable(two, parts(), signal);
  expect(second.digest).not.toBe(first.digest);
  expect(await servable(one, parts(), signal)).toEqual(first);
  expect(await servable(two, parts(), signal)).toEqual(second);
  expect(conversions).toEqual([one.folder, two.folder]);
});

test("what takes no conversion is known without one", async () => {
  const [onnx, pickle] = [original("onnx", "a"), original("sklearn", "b")];
  expect(await kept(onnx, parts())).toEqual(onnx);
  expect(await kept(pickle, parts())).toBeUndefined();
  const made = await servable(pickle, parts(), signal);
  expect(await kept(pickle, parts())).toEqual(made);
  expect(await kept(original("pytorch", "c"), parts())).toBeUndefined();
});

test("one that was converted otherwise is converted again", async () => {
  const model = original("sklearn", "a");
  await servable(model, parts(), signal);
  await servable(model, parts("tomorrow"), signal);
  expect(conversions).toHaveLength(2);
});

test("what does not convert is refused in the words that were said", async () => {
  outcome = () => ({ refused: "3 of 1000 rows agree" });
  await expect(servable(original("sklearn", "a"), parts(), signal)).rejects.toThrow(
    "3 of 1000 rows agree",
  );
});

test("what was made and does not load is refused, and not taken for good later", async () => {
  const model = original("sklearn", "a");
  refusal = "no such operator";
  await expect(servable(model, parts(), signal)).rejects.toThrow("no such operator");
  await expect(servable(model, parts(), signal)).rejects.toThrow("no such operator");
  expect(conversions).toHaveLength(2);
});

test("what failed in passing is not held against the model, and made again", async () => {
  const full = Object.assign(new Error("ENOSPC"), { errno: -28, code: "ENOSPC" });
  const model = original("sklearn", "a");
  const failing = { ...parts(), tryOut: () => Promise.reject(full) };
  await expect(servable(model, failing, signal)).rejects.toSatisfy((error) => !isFault(error));
  expect(await servable(model, parts(), signal)).toHaveProperty("digest");
  outcome = () => ({ refused: "3 of 1000 rows agree" });
  for (const each of [original("sklearn", "b"), original("pytorch", "c")])
    await expect(servable(each, parts(), signal)).rejects.toSatisfy(isFault);
});

test("what is larger than allowed is refused", async () => {
  outcome = () => ({ files: [file("model.onnx", "x".repeat(1001))] });
  await expect(servable(original("sklearn", "a"), parts(), signal)).rejects.toThrow("larger");
});

test("another flavor is refused by its name", async () => {
  await expect(servable(original("pytorch", "a"), parts(), signal)).rejects.toThrow("pytorch");
});
