import { Batcher, type BatcherOptions } from "../batch.ts";
import type { LoadedModel } from "./model.ts";

/** A model that answers requests: the model and the queue before it. */
export interface Served {
  readonly model: LoadedModel;
  readonly batcher: Batcher;
}

/** One line of `GET /model`'s history. */
export interface PastModel {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly loadedAt: Date;
}

const HISTORY = 20;

/** A clock that all processes of a machine share, in ms: they can agree on an instant by it. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * The model in service. Another takes its place between two batches: requests that are already queued
 * get their answer from the model they were checked against.
 */
export class ModelSlot {
  #current: Served | undefined;
  #next: { readonly model: LoadedModel; readonly at: number } | undefined;
  readonly #history: PastModel[] = [];
  readonly #options: BatcherOptions;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  get current(): Served | undefined {
    if (this.#next !== undefined && machineMs() >= this.#next.at) this.put(this.#next.model);
    return this.#current;
  }

  /** Models that were served before, latest first. */
  get history(): readonly PastModel[] {
    return this.#history;
  }

  /**
   * Puts `model` in service at the instant `at` of `machineMs`, and settles then. Whoever asks for the
   * current model later than that gets it, however late a timer may be.
   */
  putAt(model: LoadedModel, at: number): Promise<void> {
    this.#next = { model, at };
    return new Promise((resolve) => {
      setTimeout(
        () => {
          if (this.#next?.model === model) this.put(model);
          resolve();
        },
        Math.max(0, Math.ceil(at - machineMs())),
      );
    });
  }

  put(model: LoadedModel): void {
    this.#next = undefined;
    const previous = this.#current;
    this.#current = { model, batcher: new Batcher(model, this.#options) };
    if (!previous) return;
    const { name, version, digest, loadedAt } = previous.model;
    this.#history.unshift({ name, version, digest, loadedAt });
    this.#history.length = Math.min(this.#history.length, HISTORY);
    void previous.batcher.drained().then(() => {
      previous.model.close();
    });
  }
}
