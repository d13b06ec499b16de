import type { StackConfig } from "../config.ts";

type Which = Pick<StackConfig, "model" | "modelAlias" | "modelStage">;

/** Drops what was not given: files and settings have no word for it. */
export const given = <T>(entries: Readonly<Record<string, T | undefined>>): Record<string, T> =>
  Object.fromEntries(
    Object.entries(entries).filter((entry): entry is [string, T] => entry[1] !== undefined),
  );

/** What the service is told about its registry. */
export const registrySettings = (
  { model, modelAlias, modelStage }: Which,
  mlflowUrl: string,
  s3Url?: string,
): Record<string, string> => given({ mlflowUrl, s3Url, model, modelAlias, modelStage });
