import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { UserError as StackError } from "../../infra/errors.ts";
import { hint } from "../../infra/hint.ts";
import { UserError as RowsError } from "../../loadtest/units.ts";
import { readCommand } from "../command.mjs";
import { SetupError } from "../errors.mjs";
import { ensureImages } from "../steps/images.mjs";
import { readConnection, type Connection } from "./connection.ts";
import { exportTo, importable, refuseToOverwrite } from "./backup.ts";
import { describe, describeVerdict } from "./describe.ts";
import { isInRegistry, nameOf } from "./name.ts";
import { csvWriter, predictFile } from "./predict.ts";
import { awaitVerdict } from "./replicas.ts";
import { runInSandbox, type Job, type Request } from "./sandbox.ts";
import { modelStack, type ModelStack } from "./stack.ts";

const HELP = `Usage: npm run model -- COMMAND [options]

  publish SOURCE     make an ONNX version of a model, check it, register it and move the alias to it
  check SOURCE       all of that but registering: whether it can be published, and what it takes
  list               the registered versions and their aliases
  promote VERSION    move the alias to a version
  rollback           move the alias back to what it pointed at before
  predict FILE       the model's results for the rows of a .csv, .ndjson or .json file, as CSV
  export FILE        write a backup: all registered models, their versions with files, aliases and stages
  import FILE        put a backup back: what is missing is added, what is there stays as it is

publish, promote and rollback wait until each replica serves the version or has refused it, and show
which; they end with 1 when one refused it. A stack that serves another model or alias is not waited for.

SOURCE is an ONNX file or a folder with one; a pickled scikit-learn model; or a model in the registry:
models:/name/version, models:/name@alias or runs:/run/path. A pickle runs code: it is opened in a
container without privileges, on a network that leads to MLflow and S3 alone. A backup's FILE is a tar
with the files as they are, manifest.json and SHA256SUMS; - is standard output or input.

  --name NAME        the registered model: unless told the stack's; publish takes the name of the file
                     where the stack's settings name none; export and import take all of them
  --alias ALIAS      the alias to move (the stack's, or production); publish --alias none moves none
  --sample FILE      rows to check a conversion with: .csv, .json or .parquet with the model's columns;
                     without it, those that came with the model or ones like it was fitted with
  --rows N           how many rows to check at least (1000)
  --features A,B,…   names of the columns of an ONNX model with one table as input
  --class-names …    names of the classes 0, 1, …
  --nullable A,B,…   columns that have to take null
  --no-wait          end when the alias has moved, whatever replicas make of it
  --url URL          the service that predicts, in place of the stack's gateway
  --force            export over a file that is there
  --stack, -s STACK  whose registry, settings and replicas (dev)
  --connection FILE  a JSON file that says where the registry is, in place of a stack; - reads it
                     from standard input
  --json             print the result as JSON; of predict one object a line
  --help             this text

Ends with 0 when it is done, with 1 when something refused or failed, and with 2 when the command was
not understood.
`;

/** What each command takes. */
const needs = {
  publish: "SOURCE",
  check: "SOURCE",
  list: undefined,
  promote: "VERSION",
  rollback: undefined,
  predict: "FILE",
  export: "FILE",
  import: "FILE",
} as const;
type Command = keyof typeof needs;
const commands = Object.keys(needs) as Command[];

class UsageError extends SetupError {}

type Options = ReturnType<typeof understand>["values"];

/** Does what it is told; the code to end with. */
async function main(args: string[]): Promise<number> {
  const { values, positionals } = understand(args);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [given, subject = "", ...more] = positionals;
  const command = commands.find((each) => each === given);
  if (command === undefined) {
    throw new UsageError(
      `${given ?? "nothing"} is not a command; allowed are ${commands.join(", ")}. npm run model -- --help says more`,
    );
  }
  if ((needs[command] === undefined) !== (subject === "") || more.length > 0) {
    throw new UsageError(`${command} takes ${needs[command] ?? "nothing more"}`);
  }
  switch (command) {
    case "export":
    case "import":
      return backUp(command, subject, values);
    case "predict":
      return predict(subject, values);
    case "check":
      return check(subject, values);
    default:
      return move(command, subject, values);
  }
}

const onProgress = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const images = ["base-node", "base-mlflow"];

/** The stack that is meant; none where a file says where the registry is. */
const stackOf = async ({ connection, stack }: Options): Promise<ModelStack | undefined> =>
  connection === undefined ? modelStack(stack ?? "dev") : undefined;

const reach = async (
  stack: ModelStack | undefined,
  file: string | undefined,
): Promise<Connection> => stack?.connection() ?? readConnection(file ?? "");

async function backUp(command: "export" | "import", file: string, values: Options) {
  if (command === "import" && file === "-" && values.connection === "-") {
    throw new UsageError("standard input is either the backup or the connection");
  }
  const force = values.force ?? false;
  const from = command === "export" ? file : await importable(file);
  if (command === "export") refuseToOverwrite(from, force);
  const connection = await reach(await stackOf(values), values.connection);
  await ensureImages(images, { log: onProgress });
  const job = { request: { command, name: values.name }, connection, onProgress };
  const result =
    command === "export"
      ? await exportTo(from, force, (output) => runInSandbox({ ...job, output }))
      : await runInSandbox({ ...job, backup: from });
  // Standard output may be the backup's.
  const to = command === "export" && file === "-" ? process.stderr : process.stdout;
  to.write(values.json ? `${JSON.stringify(result)}\n` : describe(command, result));
  return 0;
}

async function predict(file: string, values: Options) {
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
  const url = values.url ?? (await gatewayOf(values.stack ?? "dev"));
  const csv = csvWriter();
  const lines = (results: readonly unknown[]): string =>
    results.map((result) => `${JSON.stringify(result)}\n`).join("");
  let rows = 0;
  for await (const results of predictFile(file, url.replace(/\/+$/, ""))) {
    process.stdout.write(values.json ? lines(results) : csv(results));
    rows += results.length;
    onProgress(`${rows} rows predicted`);
  }
  return 0;
}

async function gatewayOf(stack: string): Promise<string> {
  const { apiUrl } = await modelStack(stack);
  if (apiUrl !== undefined) return apiUrl;
  throw new SetupError(
    `the stack ${stack} is not up: bring it up (${hint.up(stack)}), or name a service with --url`,
  );
}

async function check(source: string, values: Options) {
  const handedIn = handIn(source, values.sample);
  const request: Request = { command: "check", name: undefined, ...conversion(source, values) };
  const connection = isInRegistry(source)
    ? await reach(await stackOf(values), values.connection)
    : undefined;
  await ensureImages(images, { log: onProgress });
  const result = await runInSandbox({ request, connection, ...handedIn, onProgress });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : describe("check", result));
  return 0;
}

/** The registered versions, and what has the alias point at another: all that asks the registry alone. */
async function move(
  command: "publish" | "list" | "promote" | "rollback",
  subject: string,
  values: Options,
) {
  const publishes = command === "publish";
  const handedIn = publishes ? handIn(subject, values.sample) : {};
  const converted = publishes ? conversion(subject, values) : {};
  const stack = await stackOf(values);
  const connection = await reach(stack, values.connection);
  const own = stack === undefined ? connection.model : stack.model;
  const name = values.name ?? (publishes ? (own ?? nameOf(subject)) : connection.model);
  if (name === undefined) throw new UsageError("--name says which registered model");
  if (publishes && values.name === undefined && own === undefined) {
    onProgress(`publishing it as ${name}; --name names it otherwise`);
  }
  const alias = values.alias ?? connection.modelAlias ?? "production";
  const moved = publishes && alias === "none" ? undefined : alias;
  const request: Request = { command, name, version: subject, ...converted, alias: moved };
  await ensureImages(images, { log: onProgress });
  const result = await runInSandbox({ request, connection, ...handedIn, onProgress });
  const print = (text: string, more: object = {}): void => {
    const json = { ...(result as object), ...more };
    process.stdout.write(values.json ? `${JSON.stringify(json)}\n` : text);
  };
  const text = describe(command, result);
  if (stack === undefined || values["no-wait"] || moved === undefined || command === "list") {
    print(text);
    return 0;
  }
  const { version } = result as { version: string };
  const verdict = await awaitVerdict(
    stack,
    connection,
    { name, alias: moved, version },
    onProgress,
  );
  print(text + describeVerdict(verdict), { served: verdict });
  return ["refused", "late"].includes(verdict.outcome) ? 1 : 0;
}

/** What a conversion is told. */
function conversion(source: string, values: Options) {
  const rows = Number(values.rows ?? 1000);
  if (!Number.isInteger(rows) || rows < 1 || rows > 100_000) {
    throw new UsageError(`--rows is ${values.rows ?? ""}; allowed is a whole number up to 100000`);
  }
  return {
    source,
    rows,
    features: list(values.features),
    classNames: list(values["class-names"]),
    nullable: list(values.nullable),
  };
}

function understand(args: string[]) {
  try {
    return readCommand("model", {
      args,
      allowPositionals: true,
      options: {
        name: { type: "string" },
        alias: { type: "string" },
        sample: { type: "string" },
        rows: { type: "string" },
        features: { type: "string" },
        "class-names": { type: "string" },
        nullable: { type: "string" },
        "no-wait": { type: "boolean" },
        url: { type: "string" },
        force: { type: "boolean" },
        stack: { type: "string", short: "s" },
        connection: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

const list = (text: string | undefined): string[] | undefined =>
  text?.split(",").map((each) => each.trim());

/** Most bytes of one file handed in; a folder is bounded by the container's memory. */
const MAX_BYTES = 512 * 1024 ** 2;

function handIn(source: string, sample: string | undefined): Pick<Job, "model" | "sample"> {
  const model = isInRegistry(source) ? undefined : source;
  for (const path of [model, sample]) {
    if (path === undefined) continue;
    if (!existsSync(path)) throw new UsageError(`there is no file or folder ${path}`);
    const { size } = statSync(path);
    if (size > MAX_BYTES)
      throw new UsageError(`${path} has ${size} bytes; allowed are ${MAX_BYTES}`);
  }
  return {
    ...(model === undefined ? {} : { model: resolve(model) }),
    ...(sample === undefined ? {} : { sample: resolve(sample) }),
  };
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Who reads has enough, as `head` does.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const known = [SetupError, StackError, RowsError].some((kind) => error instanceof kind);
  if (!known) throw error;
  process.stderr.write(`model: ${(error as Error).message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
