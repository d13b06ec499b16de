import { createHash, randomUUID } from "node:crypto";
import { execFile } from "node:child_process";
import { constants, createReadStream } from "node:fs";
import { cp, lstat, open, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { safePath } from "../model/manifest.ts";
import type { RemoteFile } from "../model/remote.ts";

/** What the unpickler made of a model, read from where it left it. */
export type Outcome =
  | { readonly files: readonly RemoteFile[] }
  /** Its own words, or what became of it: nothing that can be relied on. */
  | { readonly refused: string };

export interface ExchangeOptions {
  /** The folder that is shared with the unpickler. */
  readonly folder: string;
  /** The longest a conversion may take, in ms, but for when it waits for a core. */
  readonly limitMs: number;
  /** The longest that it may take in all before the unpickler ends it, in ms. */
  readonly mostMs: number;
  /** The longest until its container has been started again, in ms; a minute and a half unless given. */
  readonly lifeMs?: number;
  /** Keeps and gives back, over restarts, which life of the unpickler was given something last. */
  readonly recall: () => Promise<unknown>;
  readonly note: (life: Life) => Promise<void>;
}

/**
 * One life of the unpickler, from the start of its container to its end, when all that ran in it is gone:
 * it is given one model. What it keeps secret until then proves its end: this is the SHA-256 of it.
 */
export interface Life {
  readonly hash: string;
  /** When it was given something, ms since 1970; 0 when it is known to be over. */
  readonly at: number;
}

/** Beyond its limit it has ended what it runs, or has ended itself. */
const MARGIN_MS = 8_000;
/** An engine lets ever more time pass between starts, up to a minute. */
const LIFE_MS = 90_000;
const EVERY_MS = 100;
const MOST_FILES = 200;
const MOST_TEXT = 64 * 1024;
const MOST_WORDS = 600;

/** The text of a small file, where nothing else stands in its place: a pipe would be waited for. */
async function readText(path: string): Promise<string | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  try {
    const about = await file?.stat();
    if (about?.isFile() !== true || about.size > MOST_TEXT) return undefined;
    return await file?.readFile("utf8");
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

/** Whether what a life left proves that it is over. Pure. */
export const provesEnd = (life: Pick<Life, "hash">, secret: string | undefined): boolean =>
  secret !== undefined && createHash("sha256").update(secret).digest("hex") === life.hash;

/** Why there is no result, by the text that says so; undefined where there is one. Pure. */
function refusalIn(text: string): string | undefined {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return "what became of it cannot be read";
  }
  if (typeof said !== "object" || said === null) return "what became of it is not said";
  if (!("refused" in said)) return undefined;
  return typeof said.refused === "string" ? said.refused : "it does not say why";
}

/** Words of somebody who may say anything, as they can be shown: one line of moderate length. Pure. */
export const words = (said: string): string =>
  said
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\s]+/g, " ")
    .trim()
    .slice(0, MOST_WORDS);

/**
 * Hands models to the unpickler, one at a time, and takes what it makes of them. What runs there is
 * hostile: a model is only given to a life of it that nothing else ran in, and a result is only read
 * when that life has proved to be over, so that nobody is left to change it.
 */
export class Exchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /**
   * Has the model in `folder` converted. Throws Error when `signal` aborts or the unpickler does not
   * run, which says nothing about the model.
   */
  async convert(folder: string, signal: AbortSignal): Promise<Outcome> {
    const { limitMs, mostMs, note } = this.#options;
    const hash = await this.#freshLife(signal);
    await cp(folder, this.#path("job"), { recursive: true });
    await note({ hash, at: Date.now() });
    // Complete when it appears.
    const partial = this.#path(`.${randomUUID()}`);
    await writeFile(
      partial,
      JSON.stringify({ life: hash, seconds: limitMs / 1000, most: mostMs / 1000 }),
    );
    await rename(partial, this.#path("job.json"));
    const deadline = Date.now() + mostMs + MARGIN_MS;
    while (!(await this.#isOver(hash))) {
      if (Date.now() > deadline)
        return { refused: "the unpickler was ended by it, or needed more memory than it has" };
      await sleep(EVERY_MS, undefined, { signal });
    }
    // Its proof goes with the exchange, which is memory: it need not be seen twice.
    await note({ hash, at: 0 });
    return this.#result();
  }

  readonly #path = (name: string): string => join(this.#options.folder, name);

  readonly #isOver = async (hash: string): Promise<boolean> =>
    provesEnd({ hash }, await readText(this.#path("over")));

  /** The next life of the unpickler, when the one before is over for certain. */
  async #freshLife(signal: AbortSignal): Promise<string> {
    const before = (await this.#options.recall()) as Life | undefined;
    const longest = this.#options.mostMs + MARGIN_MS;
    const isOver = async ({ hash, at }: Life): Promise<boolean> =>
      Math.abs(Date.now() - at) > longest || (await this.#isOver(hash));
    while (before !== undefined && !(await isOver(before)))
      await sleep(EVERY_MS, undefined, { signal });
    // The next one puts its sign there again.
    await this.#clear();
    const deadline = Date.now() + (this.#options.lifeMs ?? LIFE_MS);
    do {
      const hash = await readText(this.#path("life"));
      if (/^[0-9a-f]{64}$/.test(hash ?? "") && hash !== before?.hash) return hash ?? "";
      await sleep(EVERY_MS, undefined, { signal });
    } while (Date.now() < deadline);
    throw new Error("the unpickler, which opens pickles, does not run");
  }

  /** Whatever was left there, however deep or locked. */
  async #clear(): Promise<void> {
    const { folder } = this.#options;
    const run = promisify(execFile);
    await run("chmod", ["-R", "u+rwX", folder]).catch(() => undefined);
    // What the unpickler puts there meanwhile may be gone before it is looked at.
    await run("find", [folder, "-mindepth", "1", "-delete"]).catch(() => undefined);
    const left = (await readdir(folder)).filter((name) => name !== "life" && !name.startsWith("."));
    if (left.length > 0)
      throw new Error(`the exchange cannot be cleared of ${words(left.join(", "))}`);
  }

  async #result(): Promise<Outcome> {
    const said = refusalIn((await readText(this.#path("result.json"))) ?? "{}");
    if (said !== undefined) return { refused: words(said) };
    const out = this.#path("out");
    const isFolder = (await lstat(out).catch(() => undefined))?.isDirectory() === true;
    const entries = isFolder ? await readdir(out, { withFileTypes: true }) : [];
    const fits = entries.length > 0 && entries.length <= MOST_FILES;
    if (!fits || entries.some((entry) => !entry.isFile()))
      return { refused: "what was made of it is no model" };
    return { files: await Promise.all(entries.map(({ name }) => resultFile(out, name))) };
  }
}

async function resultFile(folder: string, name: string): Promise<RemoteFile> {
  const path = join(folder, safePath(name));
  const { size } = await lstat(path);
  return { path: name, size, md5: undefined, open: () => Promise.resolve(createReadStream(path)) };
}
