// What a load-test container is told by the stack: one JSON file, read once, checked here.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { usualTimeout } from "./run-request.ts";
import { UserError } from "./units.ts";

const url = z.url({ protocol: /^https?$/ });
const path = z.string().startsWith("/");

const schema = z.strictObject({
  /** Where the master serves its pages and routes, and where its workers reach it. */
  listen: z
    .strictObject({
      host: z.string().default("0.0.0.0"),
      port: z.int().min(1).max(65535).default(8089),
      workerPort: z.int().min(1).max(65535).default(5557),
    })
    .prefault({}),
  /** What is loaded unless a run says otherwise. */
  target: url,
  /** Origins a run may load beside `target`; "*" allows any. */
  allowedTargets: z.array(z.union([url, z.literal("*")])).default([]),
  /** Workers: "host:port" of the master. */
  masterAddress: z
    .string()
    .regex(/^[^\s:]+:\d{1,5}$/)
    .optional(),
  /** File with the secret that master and workers share. */
  secretFile: path,
  /** File with the token the page and its routes require; without it they require none. */
  tokenFile: path.optional(),
  /** Of whom: everybody; or the network's other containers, but not the host where the page is published. */
  tokenFor: z.enum(["everybody", "containers"]).default("everybody"),
  /** Folder in which finished runs are kept; in memory without it. */
  runsDir: path.optional(),
  /** Engine processes of one worker container; one for each whole core unless told. */
  processes: z.int().min(1).max(256).optional(),
  /** Seconds that a reply may take unless a run says otherwise: longer than the stack's deadline. */
  timeout: z.number().positive().default(usualTimeout),
  /** Which stack this is; what its replicas are is read from them when a run begins. */
  stack: z.strictObject({ name: z.string(), platform: z.string() }).optional(),
  /**
   * Where the replicas of the service are: a name with one A record each, or an address; the port of their
   * API, and the one on which they publish their metrics, where that is another.
   */
  scrape: z
    .strictObject({ dns: z.string(), port: z.int(), metricsPort: z.int().optional() })
    .optional(),
});

export type Settings = z.infer<typeof schema>;

/** Checks settings; `source` names them in the error. Throws UserError. */
export function parseSettings(json: unknown, source: string): Settings {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new UserError(`${source} is not usable:\n${z.prettifyError(result.error)}`);
}

/** Reads a settings file. Throws UserError. */
export function readSettings(file: string): Settings {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`The settings ${file} cannot be read: ${(error as Error).message}`);
  }
  return parseSettings(json, file);
}
