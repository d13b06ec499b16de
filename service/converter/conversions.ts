import { createHash } from "node:crypto";
import { readDescription } from "../contract/description.ts";
import { ModelError } from "../model/fault.ts";
import type { StoredModel, ModelStore } from "../model/store.ts";
import type { Exchange } from "./exchange.ts";
import { type Flavor, flavorOf, unserved } from "./flavor.ts";

export interface Conversions {
  /** Where converted models are kept, each by its original's digest and how it was converted. */
  readonly store: ModelStore;
  readonly exchange: Pick<Exchange, "convert">;
  /** Names how models are converted now: of one that was converted otherwise another is made. */
  readonly recipe: string;
  /** Loads a model for a trial; throws ModelError with the reason when it cannot be served. */
  readonly tryOut: (folder: string) => Promise<void>;
}

/** How many conversions are kept: who goes back to a version of before does not wait for it again. */
const KEPT = 8;

/** `original` as a model that replicas can load, where that takes nothing: it is one, or was made one before. */
export async function kept(
  original: StoredModel,
  { store, recipe }: Pick<Conversions, "store" | "recipe">,
): Promise<StoredModel | undefined> {
  const flavor = flavorIn(original);
  if (flavor === "onnx") return original;
  return flavor === "sklearn" ? store.find(keyOf(original.digest, recipe)) : undefined;
}

/**
 * `original` as a model that replicas can load: itself, or what was made of it, now or before.
 * Throws ModelError with the reason when there can be none, and what failed where it may pass.
 */
export async function servable(
  original: StoredModel,
  parts: Conversions,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { store, exchange, recipe, tryOut } = parts;
  const flavor = flavorIn(original);
  if (typeof flavor !== "string") throw new ModelError(unserved(flavor.other));
  const ready = await kept(original, parts);
  if (ready !== undefined) {
    if (flavor === "onnx") await tryOut(ready.folder);
    return ready;
  }
  const outcome = await exchange.convert(original.folder, signal);
  if ("refused" in outcome) throw new ModelError(outcome.refused);
  const key = keyOf(original.digest, recipe);
  const made = await store.fetch(key, outcome.files, undefined, signal);
  try {
    await tryOut(made.folder);
  } catch (cause) {
    await store.keepOnly((await recent(store)).filter((each) => each !== key));
    throw cause;
  }
  const keys = [key, ...(await recent(store))].slice(0, KEPT);
  await store.note(RECENT, keys);
  await store.keepOnly(keys);
  return made;
}

function flavorIn({ folder }: StoredModel): Flavor {
  const description = readDescription(folder);
  return description === undefined ? { other: [] } : flavorOf(description);
}

const RECENT = "conversions";

/** Keys of what is kept, latest first. */
async function recent(store: ModelStore): Promise<string[]> {
  const noted = await store.recall(RECENT);
  return Array.isArray(noted) ? noted.filter((each) => typeof each === "string") : [];
}

const keyOf = (digest: string, recipe: string): string =>
  createHash("sha256").update(`${digest}\n${recipe}`).digest("hex").slice(0, 32);
