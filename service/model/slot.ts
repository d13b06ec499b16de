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

/**
 * The model in service. Another takes its place between two batches: requests that are already queued
 * get their answer from the model they were checked against.
 */
export class ModelSlot {
  #current: Served | undefined;
  readonly #history: PastModel[] = [];
  readonly #options: BatcherOptions;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  get current(): Served | undefined {
    return this.#current;
  }

  /** Models that were served before, latest first. */
  get history(): readonly PastModel[] {
    return this.#history;
  }

  put(model: LoadedModel): void {
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
