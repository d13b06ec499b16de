import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { SetupError } from "../errors.mjs";

const optional = z.string().min(1).optional();

const schema = z.strictObject({
  /** As the service reaches them: names of the Docker network, or plain addresses. */
  mlflowUrl: z.url({ protocol: /^https?$/ }),
  s3Url: z.url({ protocol: /^https?$/ }).optional(),
  /** The Docker network they are on; without it they are reached as this machine reaches them. */
  network: optional,
  mlflowUser: optional,
  mlflowPassword: optional,
  mlflowToken: optional,
  s3AccessKey: optional,
  s3SecretKey: optional,
  s3Region: optional,
  /** PEM of a private certificate authority. */
  ca: optional,
  /** The registered model that the stack serves, and the alias or stage that it follows. */
  model: optional,
  modelAlias: optional,
  modelStage: optional,
});

/** Where MLflow and S3 are, and how to prove to them who we are. */
export type Connection = z.infer<typeof schema>;

/** What the stack, and before it is up its dependencies, put out: a JSON object as above, secret. */
export const OUTPUT = "registry";

/**
 * The connection in a JSON file (`-`: standard input).
 * @throws SetupError when it cannot be read or says something else than a connection.
 */
export async function readConnection(path: string): Promise<Connection> {
  try {
    return parseConnection(
      path === "-" ? await text(process.stdin) : await readFile(path, "utf8"),
      path,
    );
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SetupError(`the connection in ${path} cannot be read: ${reason}`, { cause });
  }
}

/** The part of a stack's exported state that is read here. */
export interface Exported {
  readonly deployment?: {
    readonly resources?: readonly {
      readonly type: string;
      readonly outputs?: {
        readonly [OUTPUT]?: { readonly plaintext?: string };
        readonly apiUrl?: unknown;
      };
    }[];
  };
}

/**
 * The connection in a stack's exported state, as JSON. That of its dependencies is newer than the
 * stack's own output where the last `up` did not come to its end.
 */
export function registryIn({ deployment }: Exported): string | undefined {
  const of = (type: string): string | undefined =>
    deployment?.resources?.find((each) => each.type === type)?.outputs?.[OUTPUT]?.plaintext;
  return of("inference-stack:index:Dependencies") ?? of("pulumi:pulumi:Stack");
}

export function parseConnection(json: string, where: string): Connection {
  const result = schema.safeParse(JSON.parse(json));
  if (!result.success) {
    throw new SetupError(
      `the connection in ${where} is not usable:\n${z.prettifyError(result.error)}`,
    );
  }
  for (const url of [result.data.mlflowUrl, result.data.s3Url]) {
    const host = url === undefined ? "" : new URL(url).hostname;
    if (/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)) {
      throw new SetupError(
        `${url ?? ""} is an address of this machine alone, and models are published from a container: use one that other machines or containers reach it by`,
      );
    }
  }
  return result.data;
}
