import { isIP } from "node:net";
import { UserError } from "./errors.ts";
import { hint } from "./hint.ts";
import { parseBody, parseCpus, parseDuration, parseMemory, UnitError } from "./units.ts";

/** A value that must not be printed: it shows itself only when asked to. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return "[secret]";
  }
  toJSON(): string {
    return "[secret]";
  }
}

interface Key<T> {
  /** Throws UnitError with what is allowed. */
  readonly parse: (text: string) => T;
  readonly fallback: T;
  readonly secret?: true;
  /** A value as it would be written, where the default is none. */
  readonly example?: string;
}

const key = <T>(parse: (text: string) => T, fallback: T, example?: string): Key<T> => ({
  parse,
  fallback,
  ...(example === undefined ? {} : { example }),
});
const optional = <T>(parse: (text: string) => T): Key<T | undefined> => ({
  parse,
  fallback: undefined,
});

function choice<const T extends string>(...allowed: T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((value) => value === text);
    if (found === undefined) throw new UnitError(allowed.join(" or "));
    return found;
  };
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new UnitError(`a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

function matching(pattern: RegExp, allowed: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new UnitError(allowed);
    return text;
  };
}

function url(text: string): string {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (
    parsed === undefined ||
    !["http:", "https:"].includes(parsed.protocol) ||
    parsed.username !== ""
  ) {
    throw new UnitError("an http:// or https:// address without a user name in it");
  }
  return text.replace(/\/+$/, "");
}

function address(text: string): string {
  if (isIP(text) !== 4) throw new UnitError("an IPv4 address, such as 127.0.0.1");
  return text;
}

const boolean = (text: string): boolean => choice("true", "false")(text) === "true";
const port = whole(1, 65_535);
const name = matching(/^[\w][\w.-]{0,127}$/, "a name of letters, digits, '_', '.' and '-'");
const text = matching(/^\S(.*\S)?$/, "a text without leading or trailing blanks");
const file = matching(/^\//, "the absolute path of a file");
const secret: Key<Secret | undefined> = {
  parse: (value) => {
    if (value === "") throw new UnitError("a text that is not empty");
    return new Secret(value);
  },
  fallback: undefined,
  secret: true,
};
const repository = matching(
  /^(https?:\/\/)?[a-z0-9]+([._:-][a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/,
  "user/repository or host:port/repository, in lower case",
);
const tag = matching(/^[\w][\w.-]{0,127}$/, "an image tag of letters, digits, '_', '.' and '-'");
const imageReference = matching(
  /^[a-z0-9][\w.:/@-]*$/,
  "an image's name, such as user/repository:1.0 or user/repository@sha256:…",
);

/** Paths with blanks or commas between them; a `*` at the end is all that begins so, `{}` one segment. */
function pathList(text: string): readonly string[] {
  const paths = text.split(/[\s,]+/).filter((path) => path !== "");
  const segment = /^(\/([\w.~!$&'()+=:@-]|%[0-9A-Fa-f]{2}|\{\})*)+\*?$/;
  if (paths.length === 0 || !paths.every((path) => segment.test(path))) {
    throw new UnitError(
      'paths with blanks between them, each with a "/" first; one that ends in "*" stands for all that begin so',
    );
  }
  return paths;
}

/** Every key of the configuration, how it is read, and its default. MB means MiB. */
const keys = {
  /** One engine's containers on a bridge, or Swarm services on an attachable overlay. */
  platform: key(choice("container", "swarm"), "container"),
  /** Limits of one replica; memory and swap together never exceed `memory`. */
  cpus: key(parseCpus, 1, "0.5"),
  memory: key(parseMemory, 256, "256MB"),
  replicas: key(whole(1, 32), 1),
  /** Where images are pushed; deployed by digest. Without it they are deployed by id. */
  imageRepository: optional(repository),
  imageTag: optional(tag),
  registryUser: optional(text),
  registryPassword: secret,
  /** A published image of the service, deployed without building one; the others are still built. */
  image: optional(imageReference),
  /** What the gateway lets through to the server behind it; what the service has unless told. */
  imagePaths: optional(pathList),
  /** An existing network to join for traffic instead of making one. */
  network: optional(name),
  /** Where MLflow and S3 come from: nowhere (embedded model), with the stack, or from elsewhere. */
  dependencies: key(choice("none", "deploy", "attach"), "none"),
  dependencyNetwork: optional(name),
  /** Where the MLflow that comes with the stack keeps its records. */
  mlflowDatabase: key(choice("sqlite", "postgres"), "sqlite"),
  mlflowUrl: optional(url),
  mlflowUser: optional(text),
  mlflowPassword: secret,
  mlflowToken: secret,
  s3Url: optional(url),
  s3Bucket: optional(name),
  s3AccessKey: secret,
  s3SecretKey: secret,
  caFile: optional(file),
  /** Which registered model, by alias unless a stage is named. */
  model: key(text, "iris"),
  modelAlias: optional(name),
  modelStage: optional(choice("None", "Staging", "Production", "Archived")),
  /** For `attach`: what a pickle was converted to is registered beside it, in somebody's registry. */
  registerConverted: key(boolean, false),
  /** The one budget of a request, milliseconds; only the service rejects by it. */
  deadline: key(parseDuration, 10_000, "10s"),
  /** Whether a version that would break its callers may replace the one that serves. */
  allowContractChange: key(boolean, false),
  /** How often replicas look whether the registry has another version for them, milliseconds. */
  registryInterval: key(parseDuration, 10_000, "10s"),
  /** Largest body of a request, bytes, and most rows in it. */
  maxBody: key(parseBody, 1024 ** 2, "4MB"),
  maxRows: key(whole(1, 1_000_000), 10_000),
  /** Requests share runs of the model; off for one whose rows are not independent after all. */
  batching: key(boolean, true),
  /** The gateway speaks HTTP/2 to replicas, which costs both less; off where HTTP/1.1 is wanted. */
  http2: key(boolean, true),
  logLevel: key(choice("trace", "debug", "info", "warn", "error", "silent"), "info"),
  /** Volumes with registered models survive `destroy`. */
  keepData: key(boolean, true),
  apiPort: key(port, 8000),
  loadtestPort: key(port, 8089),
  bind: key(address, "127.0.0.1"),
  /** Where the MLflow that comes with the stack is published, on loopback alone; one that is free unless told. */
  mlflowPort: optional(port),
  loadtestWorkers: key(whole(1, 64), 1),
  /** Id of the engine that the stack may go over to, where the one it was made on is gone for good. */
  engine: optional(text),
  /** HAProxy instances. More than one are a Swarm service, one on a node, each on `apiPort`. */
  gateways: key(whole(1, 16), 1),
  /** Swarm: replicas reserve nothing on their nodes, so more of them may start than the nodes hold. */
  overcommit: key(boolean, false),
} satisfies Record<string, Key<unknown>>;

export type StackConfig = {
  readonly [K in keyof typeof keys]: (typeof keys)[K] extends Key<infer T> ? T : never;
};

/** What the CLI hands to the program: plain keys of the project, and which of them are secret. */
export interface RawConfig {
  readonly stack: string;
  readonly values: Readonly<Record<string, string>>;
  readonly secretKeys: ReadonlySet<string>;
}

/** The known key that a mistyped one was probably meant to be. */
function nearest(given: string): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
        next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
      }
      row = next;
    }
    return row[b.length] ?? 0;
  };
  const [best] = Object.keys(keys)
    .map((known) => ({ known, far: distance(given.toLowerCase(), known.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= 3 ? best.known : undefined;
}

function unknownKey(stack: string, given: string): string {
  const near = nearest(given);
  const meant = near === undefined ? "" : ` Did you mean ${near}?`;
  return (
    `${given} is not a configuration key.${meant} Allowed: ${Object.keys(keys).join(", ")}. ` +
    `Remove it with ${hint.removeKey(stack, given)}.`
  );
}

/** What to do about a value that is not allowed: another one, or the default. */
function change(stack: string, k: string, { secret, fallback, example }: Key<unknown>): string {
  if (secret) return `Change it with ${hint.setSecret(stack, k)}`;
  const shown = example ?? fallback;
  if (typeof shown !== "string" && typeof shown !== "number" && typeof shown !== "boolean") {
    return `Remove it with ${hint.removeKey(stack, k)}`;
  }
  return `Change it, such as with ${hint.setKey(stack, k, String(shown))}`;
}

/** A container's loopback is its own. */
const containersCannotReach = (config: StackConfig): string[] =>
  (["mlflowUrl", "s3Url"] as const).flatMap((k) => {
    const given = config[k];
    const host = given === undefined ? "" : new URL(given).hostname;
    return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)
      ? [
          `${k} is ${given ?? ""}, which inside a container is the container itself: use an address ` +
            "that containers reach, or a name on dependencyNetwork.",
        ]
      : [];
  });

export const isLoopback = (address: string): boolean => address.startsWith("127.");

/** Whether the host's own clients reach the stack's MLflow. It knows no users: nobody else does. */
export const publishesMlflow = ({
  dependencies,
  bind,
}: Pick<StackConfig, "dependencies" | "bind">): boolean =>
  dependencies === "deploy" && isLoopback(bind);

function samePorts(config: StackConfig): string[] {
  const ports = (["apiPort", "loadtestPort", "mlflowPort"] as const).flatMap((k) =>
    config[k] === undefined ? [] : [[k, config[k]] as const],
  );
  return ports.flatMap(([a, port], i) =>
    ports
      .slice(i + 1)
      .filter(([, other]) => other === port)
      .map(([b]) => `${a} and ${b} are both ${port}: give one of them another port.`),
  );
}

/** Keys that say nothing without, or contradict, others. */
function contradictions(stack: string, config: StackConfig): string[] {
  const given = (k: keyof StackConfig) => config[k] !== undefined;
  const needs = (k: keyof StackConfig, other: keyof StackConfig) =>
    given(k) && !given(other)
      ? [`${k} is set but ${other} is not: set ${other} or remove ${k}.`]
      : [];
  const excludes = (a: keyof StackConfig, b: keyof StackConfig) =>
    given(a) && given(b) ? [`${a} and ${b} are both set: keep one and remove the other.`] : [];
  const attachOnly = (
    [
      "dependencyNetwork",
      "mlflowUrl",
      "mlflowUser",
      "mlflowPassword",
      "mlflowToken",
      "caFile",
    ] as const
  ).flatMap((k) =>
    given(k) && config.dependencies !== "attach"
      ? [
          `${k} is set but dependencies is ${config.dependencies}: set dependencies to attach or remove ${k}.`,
        ]
      : [],
  );
  return [
    ...needs("imageTag", "imageRepository"),
    ...needs("registryUser", "registryPassword"),
    ...needs("registryPassword", "registryUser"),
    ...needs("mlflowPassword", "mlflowUser"),
    ...needs("mlflowUser", "mlflowPassword"),
    ...excludes("modelAlias", "modelStage"),
    ...excludes("mlflowToken", "mlflowUser"),
    ...attachOnly,
    ...(config.mlflowDatabase === "postgres" && config.dependencies !== "deploy"
      ? [
          `mlflowDatabase is set but dependencies is ${config.dependencies}: set dependencies to deploy or remove mlflowDatabase.`,
        ]
      : []),
    ...(config.dependencies === "attach" || config.dependencies === "deploy"
      ? [
          ...needs("s3Url", "s3AccessKey"),
          ...needs("s3Url", "s3SecretKey"),
          ...needs("s3AccessKey", "s3SecretKey"),
          ...containersCannotReach(config),
        ]
      : []),
    ...(config.dependencies === "deploy" && given("modelStage")
      ? [
          "modelStage is set but dependencies is deploy: models are published there by alias. " +
            `Do without: ${hint.removeKey(stack, "modelStage")}, and name another alias than production with ` +
            `${hint.setKey(stack, "modelAlias", "ALIAS")}.`,
        ]
      : []),
    ...(config.dependencies === "attach" && !given("mlflowUrl")
      ? ["dependencies is attach but mlflowUrl is not set: set mlflowUrl to MLflow's address."]
      : []),
    ...(config.registerConverted && config.dependencies !== "attach"
      ? [
          `registerConverted is true but dependencies is ${config.dependencies}: set dependencies to attach or remove registerConverted.`,
        ]
      : []),
    ...(config.overcommit && config.platform !== "swarm"
      ? [
          "overcommit is true but platform is container, where nothing is reserved: set overcommit to false, or platform to swarm.",
        ]
      : []),
    ...(config.gateways > 1 && config.platform !== "swarm"
      ? [
          `gateways is ${config.gateways} but platform is container: set gateways to 1, or platform to swarm.`,
        ]
      : []),
    ...(config.gateways > 1 && config.platform === "swarm" && config.bind !== "0.0.0.0"
      ? [
          `gateways is ${config.gateways} but bind is ${config.bind}: Swarm publishes ports on all addresses ` +
            "of a node. Set bind to 0.0.0.0 if you want that, or gateways to 1.",
        ]
      : []),
    ...(given("mlflowPort") && !publishesMlflow(config)
      ? [
          config.dependencies === "deploy"
            ? `mlflowPort is set but bind is ${config.bind}: MLflow asks nobody who they are, so it is ` +
              `published on loopback alone. Remove it with ${hint.removeKey(stack, "mlflowPort")}.`
            : `mlflowPort is set but dependencies is ${config.dependencies}: set dependencies to deploy or remove mlflowPort.`,
        ]
      : []),
    ...samePorts(config),
  ];
}

/**
 * Turns the words of the configuration into one validated value.
 * @throws UserError naming every key that is unknown, malformed or contradicts another.
 */
export function parseConfig({ stack, values, secretKeys }: RawConfig): StackConfig {
  const mistakes = Object.keys(values)
    .filter((given) => !Object.hasOwn(keys, given))
    .map((given) => unknownKey(stack, given));
  const config: Record<string, unknown> = {};
  for (const [k, spec] of Object.entries<Key<unknown>>(keys)) {
    const given = values[k];
    if (given === undefined) {
      config[k] = spec.fallback;
      continue;
    }
    if (spec.secret && !secretKeys.has(k)) {
      mistakes.push(`${k} is stored in plain text. Set it with ${hint.setSecret(stack, k)}.`);
    }
    try {
      config[k] = spec.parse(given);
    } catch (error) {
      if (!(error instanceof UnitError)) throw error;
      const shown = spec.secret ? "not usable" : `"${given}"`;
      mistakes.push(`${k} is ${shown}. Allowed: ${error.message}. ${change(stack, k, spec)}.`);
    }
  }
  if (mistakes.length === 0) mistakes.push(...contradictions(stack, config as StackConfig));
  if (mistakes.length > 0) {
    throw new UserError(
      `the configuration of this stack is not usable:\n  ${mistakes.join("\n  ")}`,
    );
  }
  return config as StackConfig;
}
