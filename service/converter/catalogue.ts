import type { ModelReference, ModelVersion } from "../model/mlflow.ts";
import type { StoredModel } from "../model/store.ts";

/** A version as it can be served: its number and name are the original's, its files those made of it. */
export interface Offer {
  readonly version: ModelVersion;
  readonly model: StoredModel;
}

/** All that replicas can be told and given. */
export interface Catalogue {
  readonly reference: ModelReference;
  /** Undefined as long as nothing can be served. */
  readonly offer: Offer | undefined;
  /** What is pointed at meanwhile, and why it is not offered. */
  readonly refused: ModelVersion["refused"];
  /** Why there is nothing yet. */
  readonly waiting: string;
  /** Folders of models by digest: the present one, and the one before, which some may still read. */
  readonly folders: ReadonlyMap<string, string>;
}

/** How many models are there to be read. */
const KEPT = 2;

/** `catalogue` with another offer. Pure. */
export function offering(catalogue: Catalogue, offer: Offer): Catalogue {
  const { digest, folder } = offer.model;
  const others = [...catalogue.folders].filter(([known]) => known !== digest);
  const folders = new Map([...others, [digest, folder] as const].slice(-KEPT));
  return { ...catalogue, offer, folders };
}
