import { setTimeout as sleep } from "node:timers/promises";
import { isFault } from "./fault.ts";
import type { ModelVersion } from "./mlflow.ts";
import { reasonOf } from "./registry-error.ts";
import type { ModelSource } from "./registry.ts";
import type { StoredModel } from "./store.ts";

/** One stretch of time in which one version answered. Times are ISO 8601. */
export interface Served {
  readonly version: string;
  readonly digest: string;
  readonly from: string;
  /** Undefined while it still does. */
  readonly until?: string;
}

/** A version that was not taken, and why. */
export interface Refusal {
  readonly version: string;
  readonly reason: string;
  readonly at: string;
}

export interface WatchStatus {
  /** Where the model that is served was confirmed; undefined while there is none. */
  readonly origin: "registry" | "cache" | undefined;
  readonly serving: Served | undefined;
  /** Newest first. */
  readonly history: readonly Served[];
  /** The version the registry points at, when it was refused. */
  readonly refused: Refusal | undefined;
  /** The last look at the registry, and why it, or what it led to, failed in passing. */
  readonly check:
    | { readonly at: string; readonly failures: number; readonly reason: string | undefined }
    | undefined;
}

/** What happened, for logs and counters. */
export type WatchEvent =
  | { readonly kind: "promoted"; readonly origin: "registry" | "cache"; readonly served: Served }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "failed"; readonly reason: string; readonly retryInMs: number };

export interface WatchOptions {
  readonly source: ModelSource;
  /**
   * Loads, checks and warms the model in the folder beside the one that is served, and then puts it
   * in its place. A fault of the model (`isFault`) refuses it, and the message is the reason people
   * read; after anything else that it throws the model is tried again later.
   */
  readonly install: (model: StoredModel, version: ModelVersion) => Promise<void>;
  readonly on: (event: WatchEvent) => void;
  /** Called with every new status. */
  readonly onStatus?: (status: WatchStatus) => void;
  /** Time between two looks at the registry, in ms; each is up to a fifth shorter or longer. */
  readonly intervalMs: number;
  /** How long a start waits for the registry before it takes what is on the disk, in ms. */
  readonly patienceMs?: number;
  /** Injected by tests. */
  readonly clock?: Clock;
}

export interface Clock {
  now(): Date;
  /** Returns early, without an error, when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 up to 1. */
  random(): number;
}

export interface Watcher {
  readonly status: () => WatchStatus;
  /** Ends the watch; resolves when nothing of it runs any more. */
  readonly stop: () => Promise<void>;
}

/** What is known before the first look. */
export const NOTHING_YET: WatchStatus = {
  origin: undefined,
  serving: undefined,
  history: [],
  refused: undefined,
  check: undefined,
};

const HISTORY = 50;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
  random: Math.random,
};

/**
 * The wait before the next look, in ms. Replicas that start together or lose the registry together
 * must not ask together: each wait is drawn from a range. A look is one small request, so that after
 * one that failed there is no reason to look more rarely; with nothing to serve there is one to hurry.
 */
export function nextDelay(
  { serving, failures }: { readonly serving: boolean; readonly failures: number },
  intervalMs: number,
  random: number,
): number {
  return serving || failures === 0
    ? intervalMs * (0.8 + 0.4 * random)
    : doubled(FIRST_RETRY_MS, failures, intervalMs) * (0.5 + 0.5 * random);
}

/** The wait before a version is tried again that failed `failures` times, in ms: it may be large. */
export function readAgainDelay(
  { serving, failures }: { readonly serving: boolean; readonly failures: number },
  intervalMs: number,
  random: number,
): number {
  const first = serving ? intervalMs : FIRST_RETRY_MS;
  return doubled(first, failures, Math.max(intervalMs, LAST_RETRY_MS)) * (0.5 + 0.5 * random);
}

const doubled = (first: number, times: number, most: number): number =>
  Math.min(most, first * 2 ** Math.min(times - 1, 16));

/** A version that cannot be served, as far as the registry shows. */
class Unfit extends Error {
  readonly version: ModelVersion;

  constructor(version: ModelVersion, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.version = version;
  }
}

/** Serves what the registry points at, and goes on serving it whatever becomes of the registry. */
export function watchModel(options: WatchOptions): Watcher {
  const { source, install, on, intervalMs, patienceMs = 3000, clock = systemClock } = options;
  const { onStatus = () => undefined } = options;
  const ended = new AbortController();
  const timestamp = (): string => clock.now().toISOString();

  let current: { readonly key: string; readonly served: Served } | undefined;
  let origin: WatchStatus["origin"];
  let past: readonly Served[] = [];
  /** The refusal that is shown, and all since another version was taken, by the version's key. */
  let refused: Refusal | undefined;
  const refusals = new Map<string, Refused>();
  const postponed = new Map<string, Postponed>();
  let check: WatchStatus["check"];

  const status = (): WatchStatus => ({
    origin,
    serving: current?.served,
    history: current ? [current.served, ...past] : past,
    refused,
    check,
  });
  // That somebody fails who is told of the watch must not end it.
  const unharmed = (tell: () => void): void => {
    try {
      tell();
    } catch {
      // There is nobody else to tell.
    }
  };
  const show = (): void => {
    unharmed(() => {
      onStatus(status());
    });
  };
  const tell = (event: WatchEvent): void => {
    unharmed(() => {
      on(event);
    });
  };

  const promote = async ({ version, model }: Found, from: "registry" | "cache"): Promise<void> => {
    await install(model, version);
    const at = timestamp();
    if (current) past = [{ ...current.served, until: at }, ...past].slice(0, HISTORY);
    const served = { version: version.version, digest: model.digest, from: at };
    current = { key: keyOf(version), served };
    origin = from;
    show();
    tell({ kind: "promoted", origin: from, served });
  };

  const note = (version: string, reason: string): Refusal => {
    const refusal = { version, reason, at: timestamp() };
    refused = refusal;
    show();
    tell({ kind: "refused", refusal });
    return refusal;
  };
  const refuse = (version: ModelVersion, error: unknown): void => {
    const refusal = note(version.version, reasonOf(error));
    refusals.set(keyOf(version), { of: version, refusal });
  };
  /** Puts off trying `version` again, longer with each failure. */
  const postpone = (version: ModelVersion, error: unknown): void => {
    const failures = (postponed.get(keyOf(version))?.failures ?? 0) + 1;
    const serving = current !== undefined;
    const wait = readAgainDelay({ serving, failures }, intervalMs, clock.random());
    const until = clock.now().getTime() + wait;
    postponed.set(keyOf(version), { failures, until, reason: reasonOf(error) });
  };
  /** Why `version` is not tried now, where it failed in passing a short while ago. */
  const whyNotNow = (version: ModelVersion): string | undefined => {
    const { until = 0, reason } = postponed.get(keyOf(version)) ?? {};
    return clock.now().getTime() < until ? reason : undefined;
  };
  /** Takes over what was refused before it came here: beside `version`, which is the one to serve. */
  const heed = (version: ModelVersion): void => {
    const other = ownRefusal(version) === undefined ? version.refused : undefined;
    const known = refusals.size === 0 ? refused : undefined;
    refusals.clear();
    postponed.clear();
    if (other === undefined) refused = undefined;
    else if (known?.version !== other.version || known.reason !== other.reason)
      note(other.version, other.reason);
  };

  /**
   * What the registry points at, on this disk; undefined when there is nothing to do about it.
   * Throws Unfit for a version that is to be refused.
   */
  const seek = async (): Promise<Found | undefined> => {
    const version = await source.resolve(ended.signal);
    const key = keyOf(version);
    if (current?.key === key) {
      origin = "registry";
      heed(version);
      return undefined;
    }
    const reason = ownRefusal(version);
    const before = refusals.get(key);
    // What was refused once is refused until the registry points elsewhere, or says something else of it.
    if (before && ownRefusal(before.of) === reason) {
      refused = before.refusal;
      return undefined;
    }
    if (reason !== undefined) throw new Unfit(version, reason);
    const notNow = whyNotNow(version);
    if (notNow !== undefined) throw new Error(notNow);
    try {
      return { version, model: await source.obtain(version, ended.signal) };
    } catch (error) {
      if (isFault(error)) throw new Unfit(version, reasonOf(error), { cause: error });
      postpone(version, error);
      throw error;
    }
  };

  /** Serves what was served last. Returns why it cannot just now, if it cannot. */
  const takeLast = async (): Promise<string | undefined> => {
    try {
      const last = await source.last();
      if (!last || refusals.has(keyOf(last.version)) || ended.signal.aborted) return undefined;
      return whyNotNow(last.version) ?? (await tryPromotion(last, "cache"));
    } catch (error) {
      return `what was served last cannot be read: ${reasonOf(error)}`;
    }
  };

  /** Returns why `found` could not be tried just now, if it could not; a fault of its own refuses it. */
  const tryPromotion = async (
    found: Found,
    from: "registry" | "cache",
  ): Promise<string | undefined> => {
    try {
      await promote(found, from);
      return undefined;
    } catch (error) {
      if (isFault(error)) {
        // What the registry points at is what is shown, and not what was to stand in for it.
        const shown = from === "cache" ? refused : undefined;
        refuse(found.version, error);
        refused = shown ?? refused;
        return undefined;
      }
      postpone(found.version, error);
      return reasonOf(error);
    }
  };

  /** Returns why `found` could not be tried just now, if it could not. */
  const take = async (found: Found): Promise<string | undefined> => {
    // The cache may have been quicker with the same.
    if (current?.key === keyOf(found.version)) {
      origin = "registry";
      return undefined;
    }
    const reason = await tryPromotion(found, "registry");
    if (current?.key !== keyOf(found.version)) {
      const instead = current ? undefined : await takeLast();
      return together(reason, instead);
    }
    heed(found.version);
    // A full disk must not end the serving of a model that is in memory already.
    await source.remember(found.version).catch((error: unknown) => {
      tell({ kind: "failed", reason: `the model is not kept: ${reasonOf(error)}`, retryInMs: 0 });
    });
    return undefined;
  };

  const over = (): boolean => ended.signal.aborted;

  /** One look at the registry, and what follows from it. Returns why it failed, if it did. */
  const look = async (first: boolean): Promise<string | undefined> => {
    const seeking = settle(seek());
    if (first) {
      const patience = new AbortController();
      const late = clock.sleep(patienceMs, patience.signal).then(() => "late" as const);
      const quick = await Promise.race([seeking, late]);
      patience.abort();
      const why = quick === "late" ? await takeLast() : undefined;
      if (why !== undefined) tell({ kind: "failed", reason: why, retryInMs: 0 });
    }
    const { found, unfit, reason } = await seeking;
    if (over()) return undefined;
    if (found) return take(found);
    if (unfit) refuse(unfit.version, unfit);
    if (current) return reason;
    return together(reason, await takeLast());
  };

  const run = async (): Promise<void> => {
    for (let first = true; !over(); first = false) {
      const reason = await look(first).catch(reasonOf);
      if (over()) return;
      const failures = reason === undefined ? 0 : (check?.failures ?? 0) + 1;
      check = { at: timestamp(), failures, reason };
      show();
      const serving = current !== undefined;
      const retryInMs = Math.round(nextDelay({ serving, failures }, intervalMs, clock.random()));
      if (reason !== undefined) tell({ kind: "failed", reason, retryInMs });
      await clock.sleep(retryInMs, ended.signal);
    }
  };
  const running = run();

  return {
    status,
    async stop() {
      ended.abort();
      await running;
    },
  };
}

interface Found {
  readonly version: ModelVersion;
  readonly model: StoredModel;
}

/** A refusal, and the version that it is of. */
interface Refused {
  readonly of: ModelVersion;
  readonly refusal: Refusal;
}

/** Why the registry says that the version itself must not be served. */
const ownRefusal = ({ version, refused }: ModelVersion): string | undefined =>
  refused?.version === version ? refused.reason : undefined;

/** A version that failed in passing: its files could not be read, or it could not be tried. */
interface Postponed {
  readonly failures: number;
  /** When it is tried again, ms since 1970. */
  readonly until: number;
  readonly reason: string;
}

interface Sought {
  readonly found?: Found | undefined;
  readonly unfit?: Unfit;
  /** Why nothing is known of what the registry points at. */
  readonly reason?: string;
}

/** Reasons as one; undefined where there is none. */
const together = (...reasons: (string | undefined)[]): string | undefined =>
  [...new Set(reasons)].filter((reason) => reason !== undefined).join("; ") || undefined;

/** The outcome of `promise` as a value, so that a race against it leaves no rejection behind. */
const settle = (promise: Promise<Found | undefined>): Promise<Sought> =>
  promise.then(
    (found) => ({ found }),
    (error: unknown) =>
      error instanceof Unfit ? { unfit: error } : { reason: reasonOf(error) || "it failed" },
  );

/** Tells apart what the registry may point at, also when a version was deleted and made anew. */
const keyOf = ({ name, version, source, digest }: ModelVersion): string =>
  [name, version, source, digest ?? ""].join("\n");
