import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isFault } from "../model/fault.ts";
import { Exchange, type Life, provesEnd, words } from "./exchange.ts";

const sha256 = (secret: string): string => createHash("sha256").update(secret).digest("hex");

let folder: string;
let model: string;
let noted: Life | undefined;
const signal = new AbortController().signal;
const at = (name: string): string => join(folder, name);

const exchange = (mostMs = 60_000, lifeMs?: number): Exchange =>
  new Exchange({
    folder,
    limitMs: 60_000,
    mostMs,
    ...(lifeMs === undefined ? {} : { lifeMs }),
    recall: () => Promise.resolve(noted),
    note: (life) => {
      noted = life;
      return Promise.resolve();
    },
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "exchange-"));
  model = mkdtempSync(join(tmpdir(), "original-"));
  writeFileSync(join(model, "MLmodel"), "an original");
  noted = undefined;
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(model, { recursive: true, force: true });
});

/** One life of the unpickler: takes what it is given, and does `work` before it ends. */
async function live(secret: string, work: () => unknown): Promise<void> {
  const given = (): { life?: string } => {
    try {
      return JSON.parse(readFileSync(at("job.json"), "utf8")) as { life?: string };
    } catch {
      return {};
    }
  };
  while (given().life !== sha256(secret)) {
    writeFileSync(at("life"), sha256(secret));
    await sleep(5);
  }
  await work();
  rmSync(at("life"), { force: true });
  writeFileSync(at("over"), secret);
}
const makes = (content: string) => () => {
  mkdirSync(at("out"));
  writeFileSync(at("out/model.onnx"), content);
  writeFileSync(at("result.json"), "{}");
};

test("a model goes in, and what was made of it comes back", async () => {
  const life = live("secret", () => {
    makes(`made of ${readFileSync(at("job/MLmodel"), "utf8")}`)();
  });
  const outcome = await exchange().convert(model, signal);
  await life;
  if ("refused" in outcome) throw new Error(outcome.refused);
  const [file] = outcome.files;
  expect(file).toMatchObject({ path: "model.onnx", size: 19 });
  expect(file && (await text(await file.open(signal)))).toBe("made of an original");
});

test("why there is nothing comes back in one line without controls", async () => {
  const life = live("secret", () => {
    writeFileSync(at("result.json"), JSON.stringify({ refused: "no\nsuch \u001b[31mstep" }));
  });
  expect(await exchange().convert(model, signal)).toEqual({ refused: "no such [31mstep" });
  await life;
});

test.each([
  [
    "a link",
    () => {
      symlinkSync("/etc/passwd", at("out/model.onnx"));
    },
  ],
  [
    "a folder",
    () => {
      mkdirSync(at("out/model.onnx"));
    },
  ],
  ["a pipe", () => execFileSync("mkfifo", [at("out/model.onnx")])],
  [
    "a link in place of all",
    () => {
      rmSync(at("out"), { recursive: true });
      symlinkSync("/etc", at("out"));
    },
  ],
])("%s is taken for no model", async (_, put) => {
  const life = live("secret", () => {
    mkdirSync(at("out"));
    put();
    writeFileSync(at("result.json"), "{}");
  });
  expect(await exchange().convert(model, signal)).toEqual({
    refused: "what was made of it is no model",
  });
  await life;
});

test("a result is believed when the life that it was given to has proved its end, and no sooner", async () => {
  let done = false;
  const life = live("secret", async () => {
    makes("forged")();
    writeFileSync(at("over"), "a guess");
    writeFileSync(at("life"), sha256("a guess"));
    // It is looked for several times meanwhile.
    await sleep(500);
    expect(done).toBe(false);
  });
  const outcome = exchange().convert(model, signal);
  void outcome.then(() => (done = true));
  await life;
  expect(await outcome).toHaveProperty("files");
});

test("the next model waits for another life, whatever the one before left", async () => {
  const first = live("first", () => {
    writeFileSync(at("job.json"), "{}");
    writeFileSync(at("result.json"), JSON.stringify({ refused: "the first" }));
    mkdirSync(at("out/deep"), { recursive: true });
    execFileSync("chmod", ["0", at("out")]);
  });
  const one = exchange();
  expect(await one.convert(model, signal)).toEqual({ refused: "the first" });
  await first;
  const second = one.convert(model, signal);
  const life = live("second", makes("of the second"));
  expect(await second).toHaveProperty("files");
  await life;
});

test("an end that was proved is remembered, also where the exchange was emptied since", async () => {
  const first = live("first", makes("of the first"));
  await exchange().convert(model, signal);
  await first;
  rmSync(at("over"));
  const second = live("second", makes("of the second"));
  expect(await exchange().convert(model, signal)).toHaveProperty("files");
  await second;
});

test("a life that does not end in time gives nothing", async () => {
  const outcome = exchange(-8000).convert(model, signal);
  const again = setInterval(() => {
    writeFileSync(at("life"), sha256("stuck"));
  }, 5);
  expect(await outcome).toEqual({
    refused: "the unpickler was ended by it, or needed more memory than it has",
  });
  clearInterval(again);
});

test("a secret proves an end by its hash alone", () => {
  const life = { hash: sha256("secret") };
  expect(provesEnd(life, "secret")).toBe(true);
  for (const other of [undefined, "", life.hash, "Secret"])
    expect(provesEnd(life, other)).toBe(false);
});

test("foreign words are short", () => {
  expect(words("x".repeat(10_000)).length).toBe(600);
});

test.each(["{oops", "7", '{"refused":{"toString":1,"valueOf":1}}', '{"refused":7}'])(
  "%s is no reason that could be shown, and no model",
  async (said) => {
    const life = live("secret", () => {
      writeFileSync(at("result.json"), said);
    });
    const outcome = await exchange().convert(model, signal);
    await life;
    expect(outcome).toMatchObject({
      refused: expect.stringMatching(/^(what became|it does not)/) as string,
    });
  },
);

test("an unpickler that does not run is not waited for without an end", async () => {
  const error = await exchange(60_000, 300)
    .convert(model, signal)
    .catch((reason: unknown) => reason);
  expect(String(error)).toMatch(/does not run/);
  // It says nothing about the model, unlike what the unpickler says of it.
  expect(isFault(error)).toBe(false);
});
