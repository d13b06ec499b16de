import { basename, resolve } from "node:path";

const REGISTERED = /^models:\/([^/@]+)/;
const OF_A_RUN = /^runs:\/+[^/]+\/(?:.*\/)?([^/]+)\/?$/;

/** Endings that say what a file is; another may be a version. */
const KINDS = /\.(onnx|pkl|pickle|joblib|skops)$/i;

/** Whether what is published is in the registry already, and no file of this machine. */
export const isInRegistry = (source: string): boolean => /^(models|runs):\//.test(source);

/**
 * The registered model that a source is published as where nobody names one: the registered model or
 * the artifact that it is, else what the file or folder is called, in characters that MLflow, a setting
 * and a shell all take. Undefined where nothing is left of it.
 */
export function nameOf(source: string): string | undefined {
  const [, given = ""] = REGISTERED.exec(source) ?? OF_A_RUN.exec(source) ?? [];
  const file = basename(resolve(source));
  const found = isInRegistry(source) ? given : file.replace(KINDS, "");
  const name = found.replace(/[^\p{L}\p{N}_.-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "");
  return name === "" ? undefined : name;
}
