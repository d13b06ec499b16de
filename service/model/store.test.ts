import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "./manifest.ts";
import type { RemoteFile } from "./remote.ts";
import { createStore, type ModelStore } from "./store.ts";

let directory: string;
let store: ModelStore;
const never = new AbortController().signal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-"));
  store = createStore({ directory, maxBytes: 1000, stallTimeoutMs: 50 });
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const file = (path: string, content: string, claims: Partial<RemoteFile> = {}): RemoteFile => ({
  path,
  size: Buffer.byteLength(content),
  md5: undefined,
  open: () => Promise.resolve(Readable.from([Buffer.from(content)])),
  ...claims,
});
const files = [file("MLmodel", "flavors:"), file("data/weights.bin", "123")];
const digest = digestOf([
  { path: "MLmodel", size: 8, sha256: sha256("flavors:") },
  { path: "data/weights.bin", size: 3, sha256: sha256("123") },
]);
const modelsOnDisk = (): Promise<string[]> => readdir(join(directory, "models"));

test("keeps a whole folder under its key and finds it again", async () => {
  const fetched = await store.fetch("a", files, digest, never);
  expect(fetched.digest).toBe(digest);
  expect(await readFile(join(fetched.folder, "data/weights.bin"), "utf8")).toBe("123");
  expect(await store.find("a")).toEqual(fetched);
});

test("has the digest that sha256sum's lines, sorted and hashed, have", () => {
  const lines = `${sha256("flavors:")}  MLmodel\n${sha256("123")}  data/weights.bin\n`;
  expect(digest).toBe(sha256(lines));
});

test.each([
  ["shorter than the list says", [file("model.onnx", "12", { size: 3 })], "2 of 3 bytes"],
  ["longer than the list says", [file("model.onnx", "1234", { size: 3 })], "more than 3 of 3"],
  ["of another digest than the store says", [file("m", "x", { md5: "0".repeat(32) })], "digest"],
  ["larger than allowed", [file("m", "x".repeat(1001), { size: undefined })], "larger"],
  ["outside of the folder", [file("../m", "x")], "not allowed"],
  ["named like an absolute path", [file("/etc/passwd", "x")], "not allowed"],
] as const)("leaves nothing behind of a model with a file %s", async (_, given, reason) => {
  await expect(store.fetch("a", given, undefined, never)).rejects.toThrow(reason);
  expect(await modelsOnDisk()).toEqual([]);
});

test("refuses files whose digest is not the one that was published", async () => {
  await expect(store.fetch("a", files, "0".repeat(64), never)).rejects.toThrow("was published");
  expect(await store.find("a")).toBeUndefined();
});

test("gives up a file that stalls halfway", async () => {
  const stalled = file("m", "12", {
    open: () => {
      const body = new Readable({ read: () => undefined });
      body.push("1");
      return Promise.resolve(body);
    },
  });
  await expect(store.fetch("a", [stalled], undefined, never)).rejects.toThrow("nothing came");
  expect(await modelsOnDisk()).toEqual([]);
});

test("does not believe a kept model whose content has changed, and takes it away", async () => {
  const { folder } = await store.fetch("a", files, digest, never);
  await writeFile(join(folder, "data/weights.bin"), "124");
  expect(await store.find("a")).toBeUndefined();
  expect(await modelsOnDisk()).toEqual([]);
});

test("lets the first of two who fetch the same at once win", async () => {
  const both = await Promise.all([
    store.fetch("a", files, digest, never),
    store.fetch("a", files, digest, never),
  ]);
  expect(both[0]).toEqual(both[1]);
  expect(await modelsOnDisk()).toEqual(["a"]);
});

test("removes what is not kept, but no download that may still run", async () => {
  for (const key of ["a", "b", "c"]) await store.fetch(key, files, digest, never);
  await writeFile(join(directory, "models", ".partial-new"), "");
  await writeFile(join(directory, "models", ".partial-old"), "");
  await utimes(join(directory, "models", ".partial-old"), 0, 0);
  await store.keepOnly(["b"]);
  expect((await modelsOnDisk()).sort()).toEqual([".partial-new", "b"]);
});

test("notes small values over restarts and survives a spoilt one", async () => {
  await store.note("serving", { version: 1 });
  expect(await store.recall("serving")).toEqual({ version: 1 });
  await writeFile(join(directory, "serving.json"), "{");
  expect(await store.recall("serving")).toBeUndefined();
});
