import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { DRAIN_DELAY_MS, graceFor, requestTimeoutFor } from "./times.ts";

/** Where the stack mounts the settings of a container; used by default when it exists. */
export const CONTAINER_SETTINGS = "/run/inference/settings.json";

/** What `modelFile` says where the embedded model is meant. */
export const EMBEDDED = "embedded";

/** A mistake of the person who runs the service: printed as one sentence, without a stack trace. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

interface Field<T> {
  readonly default: T;
  /** What is allowed, as it is said to somebody who gave something else. */
  readonly allowed: string;
  /** The value in the unit the program uses, or undefined when it is not allowed. */
  readonly parse: (given: unknown) => T | undefined;
}

const field = <T>(
  fallback: T,
  allowed: string,
  parse: (given: unknown) => T | undefined,
): Field<T> => ({ default: fallback, allowed, parse });

const text = (fallback: string, allowed: string): Field<string> =>
  field(fallback, allowed, (given) =>
    typeof given === "string" && given !== "" ? given : undefined,
  );

const address = (): Field<string> =>
  field("", "an http:// or https:// address", (given) =>
    typeof given === "string" && /^https?:$/.test(URL.parse(given)?.protocol ?? "")
      ? given
      : undefined,
  );

const integer = (fallback: number, min: number, max: number): Field<number> =>
  field(fallback, `a whole number from ${min} to ${max}`, (given) => {
    const value = typeof given === "string" && given.trim() !== "" ? Number(given) : given;
    return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  });

const oneOf = <T extends string>(fallback: T, words: readonly T[]): Field<T> =>
  field(fallback, `one of ${words.join(", ")}`, (given) => words.find((word) => word === given));

const flag = (fallback: boolean): Field<boolean> =>
  field(fallback, "true or false", (given) =>
    given === true || given === "true"
      ? true
      : given === false || given === "false"
        ? false
        : undefined,
  );

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };

const duration = (fallback: string, minMs = 1): Field<number> => {
  const parse = (given: unknown): number | undefined => {
    const match = /^(\d+(?:\.\d+)?) ?(ms|s|m)$/.exec(typeof given === "string" ? given : "");
    const ms = match ? Number(match[1]) * (MILLISECONDS[match[2] ?? ""] ?? NaN) : NaN;
    return ms >= minMs && ms <= 3_600_000 ? ms : undefined;
  };
  return field(
    parse(fallback) ?? NaN,
    'a time up to an hour such as "250ms", "10s" or "2m"',
    parse,
  );
};

const BYTES: Record<string, number> = { B: 1, kB: 1024, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

const size = (fallback: string): Field<number> => {
  const parse = (given: unknown): number | undefined => {
    const match = /^(\d+(?:\.\d+)?) ?(B|[kKMG]B)$/.exec(typeof given === "string" ? given : "");
    const bytes = match ? Math.floor(Number(match[1]) * (BYTES[match[2] ?? ""] ?? NaN)) : NaN;
    return bytes >= 1 && bytes <= 1024 ** 3 ? bytes : undefined;
  };
  return field(parse(fallback) ?? NaN, 'a size up to 1GB such as "64kB" or "1MB"', parse);
};

// One line a setting: its key in the file, its name in the environment is the same in capitals.
const FIELDS = {
  host: text("127.0.0.1", "an address to listen on"),
  port: integer(8000, 0, 65_535),
  /** An ONNX file, a folder that holds `model.onnx` and perhaps `MLmodel`, or `embedded`: the demonstration. */
  modelFile: text("", `the path of an ONNX file or of a folder with model.onnx, or "${EMBEDDED}"`),
  /** Whether a model has to be named: an image that lost its settings must not answer with another. */
  modelRequired: flag(false),
  /** Whether HTTP/2 is spoken beside HTTP/1.1, to clients that begin with it. */
  http2: flag(true),
  /** The time budget of a request in ms; one that cannot be met is refused at once. */
  deadline: duration("10s"),
  /** Largest request body in bytes. */
  maxBody: size("1MB"),
  /** Most rows in one request. */
  maxRows: integer(10_000, 1, 1_000_000),
  /** Most rows in one run of the model, where the model allows more than one. */
  maxBatchRows: integer(256, 1, 65_536),
  /** Whether requests share runs of the model; off for one whose rows are not independent after all. */
  batching: flag(true),
  /** Most rows that wait for the model. */
  maxQueuedRows: integer(100_000, 1, 10_000_000),
  /** How long a sender may take for its headers, and for the whole request, in ms. */
  headerTimeout: duration("10s"),
  requestTimeout: duration("30s"),
  /** How long requests are still taken after SIGTERM, while the gateway notices, in ms. */
  drainDelay: duration(`${DRAIN_DELAY_MS}ms`, 0),
  /** The longest from SIGTERM to the end, in ms. */
  grace: duration("38s"),
  logLevel: oneOf("info", ["trace", "debug", "info", "warn", "error", "silent"]),
  /** The image that it runs in, as its stack calls it: told in the metrics. */
  image: text("", "the digest or id of an image"),
  /** Whether a model with another signature may replace the running one. */
  allowContractChange: flag(false),
  /** MLflow's address; with it the model comes from its registry. */
  mlflowUrl: address(),
  /** Which registered model, and by alias or by stage; alias `production` unless told. */
  model: text("iris", "the name of a registered model"),
  modelAlias: text("", "an alias of the model"),
  modelStage: text("", "a stage such as Production"),
  /** Time between two looks at the registry, in ms. */
  registryInterval: duration("10s", 100),
  /** The S3 store's address, for artifacts that MLflow does not hand out itself. */
  s3Url: address(),
  s3Region: text("us-east-1", "the region of the S3 store"),
  /** Folder with the files mlflow-user, mlflow-password, mlflow-token, s3-access-key, … */
  secretsFolder: text(dirname(CONTAINER_SETTINGS), "the path of a folder"),
  /** Where models are kept over restarts. */
  cacheFolder: text("/var/cache/inference", "the path of a folder that can be written to"),
  /** Largest model that is read from the registry. */
  maxModel: size("1GB"),
} satisfies Record<string, Field<unknown>>;

type Key = keyof typeof FIELDS;

/** Durations in ms, sizes in bytes. */
export type ServiceSettings = {
  readonly [K in Key]: (typeof FIELDS)[K] extends Field<infer T> ? T : never;
};

/** Where nothing else is given these follow from the deadline, each from those before it. */
const FOLLOWING: readonly (readonly [Key, (settings: ServiceSettings) => number])[] = [
  ["requestTimeout", ({ deadline }) => requestTimeoutFor(deadline)],
  // Beside one request of the most rows another is still taken.
  ["maxQueuedRows", ({ maxRows }) => Math.max(FIELDS.maxQueuedRows.default, 2 * maxRows)],
  [
    "grace",
    ({ deadline, requestTimeout, drainDelay }) => graceFor(deadline, requestTimeout, drainDelay),
  ],
];

/** `maxBatchRows` is `MAX_BATCH_ROWS` in the environment. */
export const environmentName = (key: string): string =>
  key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

/**
 * Settings from the content of a file (an object, as JSON gave it) and the environment, which wins.
 * Throws SettingsError for an unknown key or a value that is not allowed.
 */
export function parseSettings(
  file: unknown,
  environment: Readonly<Record<string, string | undefined>> = {},
): ServiceSettings {
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    throw new SettingsError("The settings must be one JSON object.");
  }
  const given = new Map<string, unknown>(Object.entries(file));
  for (const key of given.keys()) {
    if (!Object.hasOwn(FIELDS, key)) {
      throw new SettingsError(
        `Unknown setting "${key}". Known are: ${Object.keys(FIELDS).join(", ")}.`,
      );
    }
  }
  const told = (key: string): unknown => environment[environmentName(key)] ?? given.get(key);
  const values = Object.entries(FIELDS).map(([key, field]: [string, Field<unknown>]) => {
    const fromEnvironment = environment[environmentName(key)];
    const value = told(key);
    if (value === undefined) return [key, field.default];
    const parsed = field.parse(value);
    if (parsed === undefined) {
      const name = fromEnvironment === undefined ? key : environmentName(key);
      throw new SettingsError(
        `Setting "${name}" is ${JSON.stringify(value)}; allowed is ${field.allowed}.`,
      );
    }
    return [key, parsed];
  });
  let settings = Object.fromEntries(values) as ServiceSettings;
  for (const [key, from] of FOLLOWING) {
    if (told(key) === undefined) settings = { ...settings, [key]: from(settings) };
  }
  const { headerTimeout, requestTimeout, modelRequired, modelFile, mlflowUrl } = settings;
  if (modelRequired && modelFile === "" && mlflowUrl === "") {
    throw new SettingsError(
      `No model is named: a stack does so in ${CONTAINER_SETTINGS}, which this container has not; ` +
        `elsewhere give MLFLOW_URL and MODEL, or MODEL_FILE (${EMBEDDED} for the demonstration).`,
    );
  }
  if (headerTimeout > requestTimeout) {
    throw new SettingsError(
      `Setting "headerTimeout" is ${headerTimeout} ms, more than "requestTimeout" with ${requestTimeout} ms; ` +
        "the headers are a part of the request.",
    );
  }
  return settings;
}

/** Settings of this process: from the file at `path`, or the container's, and the environment. */
export function readSettings(
  path: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): ServiceSettings {
  const source = path ?? (existsSync(CONTAINER_SETTINGS) ? CONTAINER_SETTINGS : undefined);
  if (source === undefined) return parseSettings({}, environment);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(source, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(`The settings file ${source} cannot be read: ${reason}.`, { cause });
  }
  return parseSettings(content, environment);
}
