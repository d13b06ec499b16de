import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { z } from "zod";
import { root } from "../clone.mjs";
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
  /** The registered model and the alias that the stack serves. */
  model: optional,
  modelAlias: optional,
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
    return parse(path === "-" ? await text(process.stdin) : await readFile(path, "utf8"), path);
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SetupError(`the connection in ${path} cannot be read: ${reason}`, { cause });
  }
}

/**
 * The connection of a stack whose registry is up, if nothing else of it is: an `up` that lacks the
 * model to serve ends before the stack has outputs, and the model is to be published then.
 * @throws SetupError when it has none.
 */
export async function connectionOfStack(stack: string): Promise<Connection> {
  const pulumi = join(root, "node_modules", ".bin", "pulumi");
  const args = ["--non-interactive", "stack", "export", "--show-secrets", "--stack", stack];
  const state = await promisify(execFile)(pulumi, args, { cwd: root, maxBuffer: 1024 ** 3 }).catch(
    // It carries the state, which holds secrets.
    () => ({ stdout: "{}" }),
  );
  const found = registryIn(JSON.parse(state.stdout) as Exported);
  if (found === undefined) {
    throw new SetupError(
      `the stack ${stack} has no registry: bring it up with one (\`npx pulumi config set dependencies deploy -s ${stack} && npx pulumi up -s ${stack}\`), or name a file with --connection`,
    );
  }
  return parse(found, `the stack ${stack}`);
}

/** The part of a stack's exported state that is read here. */
interface Exported {
  readonly deployment?: {
    readonly resources?: readonly {
      readonly type: string;
      readonly outputs?: { readonly [OUTPUT]?: { readonly plaintext?: string } };
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

function parse(json: string, where: string): Connection {
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
