import { contractChange } from "../contract/compatible.ts";
import { ModelError } from "./fault.ts";
import { loadModel, type LoadedModel, type LoadOptions } from "./model.ts";
import type { ModelSlot } from "./slot.ts";

/** A model on this disk that may be served. Plain values: it is told to other processes. */
export interface Candidate {
  /** Of an ONNX file or of a folder with one. */
  readonly path: string;
  readonly name?: string;
  readonly version?: string;
  readonly alias?: string;
  readonly stage?: string;
  /** When the first process loaded it, ISO 8601: all of them are to say the same. */
  readonly loadedAt: string;
}

export interface InstallerOptions extends LoadOptions {
  /** Whether a model with another signature may take the place of the one that serves. */
  readonly allowContractChange: boolean;
}

/** Brings models into the slot of this process in two steps, so that others can keep pace. */
export class Installer {
  readonly #slot: ModelSlot;
  readonly #options: InstallerOptions;
  #prepared: { readonly candidate: Candidate; readonly model: LoadedModel } | undefined;

  constructor(slot: ModelSlot, options: InstallerOptions) {
    this.#slot = slot;
    this.#options = options;
  }

  /**
   * Loads, checks and warms a model beside the one that serves.
   * Throws ModelError with the reason why it may not be served.
   */
  prepare(candidate: Candidate): void {
    this.discard();
    const { path, loadedAt, ...identity } = candidate;
    // Loading runs the model on its example: it is warm before the first request meets it.
    const model = loadModel(path, { ...identity, loadedAt: new Date(loadedAt) }, this.#options);
    this.#prepared = { candidate, model };
    const current = this.#slot.current?.model;
    const change = current && contractChange(current.contract, model.contract);
    if (change !== undefined && !this.#options.allowContractChange) {
      this.discard();
      throw new ModelError(
        `${change}; npx pulumi config set allowContractChange true -s <stack> and an up would let it`,
      );
    }
  }

  /** Forgets what was prepared. */
  discard(): void {
    this.#prepared?.model.close();
    this.#prepared = undefined;
  }

  /** Serves `candidate` from the instant `at` of `machineMs` on, prepared or not; settles then. */
  async commit(candidate: Candidate, at = 0): Promise<void> {
    const { path, loadedAt } = this.#prepared?.candidate ?? {};
    if (path !== candidate.path || loadedAt !== candidate.loadedAt) this.prepare(candidate);
    const model = this.#prepared?.model;
    this.#prepared = undefined;
    if (model === undefined) return;
    if (at === 0) this.#slot.put(model);
    else await this.#slot.putAt(model, at);
  }
}
