import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { readCommand } from "../command.mjs";
import { SetupError } from "../errors.mjs";
import { ensureImages } from "../steps/images.mjs";
import { connectionOfStack, readConnection } from "./connection.ts";
import { exportTo, importable, refuseToOverwrite } from "./backup.ts";
import { describe } from "./describe.ts";
import { runInSandbox, type Job, type Request } from "./sandbox.ts";

const HELP = `Usage: npm run model -- COMMAND [options]

  publish SOURCE     make an ONNX version of a model, check it, register it and move the alias to it
  list               the registered versions and their aliases
  promote VERSION    move the alias to a version
  rollback           move the alias back to what it pointed at before
  export FILE        write a backup: all registered models, their versions with files, aliases and stages
  import FILE        put a backup back: what is missing is added, what is there stays as it is

FILE is a tar with the files as they are, manifest.json and SHA256SUMS; - is standard output or input.
SOURCE is an ONNX file or a folder with one; a pickled scikit-learn model; or a registered version
with the sklearn flavor, as models:/name/version. A pickle runs code: it is opened in a container
without privileges, on a network that leads to MLflow and S3 alone.

  --name NAME        the registered model (the stack's, unless told; export and import: all of them)
  --alias ALIAS      the alias to move (the stack's, or production); publish --alias none moves none
  --sample FILE      rows to check a conversion with: .csv, .json or .parquet with the model's columns;
                     without it, those that came with the model or ones like it was fitted with
  --rows N           how many rows to check at least (1000)
  --features A,B,…   names of the columns of an ONNX model with one table as input
  --class-names …    names of the classes 0, 1, …
  --force            export over a file that is there
  --stack, -s STACK  whose registry (dev)
  --connection FILE  a JSON file that says where the registry is, in place of a stack; - reads it
                     from standard input
  --json             print the result as JSON
  --help             this text
`;

/** What each command takes. */
const needs = {
  publish: "SOURCE",
  list: undefined,
  promote: "VERSION",
  rollback: undefined,
  export: "FILE",
  import: "FILE",
} as const;
const commands = Object.keys(needs) as (keyof typeof needs)[];

class UsageError extends SetupError {}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = understand(args);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const [command, subject = "", ...more] = positionals;
  const chosen = commands.find((each) => each === command);
  if (chosen === undefined) {
    throw new UsageError(
      `${command ?? "nothing"} is not a command; allowed are ${commands.join(", ")}. npm run model -- --help says more`,
    );
  }
  if ((needs[chosen] === undefined) !== (subject === "") || more.length > 0) {
    throw new UsageError(`${chosen} takes ${needs[chosen] ?? "nothing more"}`);
  }
  const onProgress = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const print = (result: unknown): void => {
    // Standard output may be the backup's.
    const to = chosen === "export" && subject === "-" ? process.stderr : process.stdout;
    to.write(values.json ? `${JSON.stringify(result)}\n` : describe(chosen, result));
  };
  if (chosen === "export" || chosen === "import") {
    if (chosen === "import" && subject === "-" && values.connection === "-") {
      throw new UsageError("standard input is either the backup or the connection");
    }
    const file = chosen === "export" ? subject : await importable(subject);
    if (chosen === "export") refuseToOverwrite(file, values.force ?? false);
    const connection = await registry(values);
    await ensureImages(images, { log: onProgress });
    const job = { request: { command: chosen, name: values.name }, connection, onProgress };
    print(
      chosen === "export"
        ? await exportTo(file, values.force ?? false, (output) => runInSandbox({ ...job, output }))
        : await runInSandbox({ ...job, backup: file }),
    );
    return;
  }
  const input = chosen === "publish" ? source(subject, values.sample) : {};
  const rows = Number(values.rows ?? 1000);
  if (!Number.isInteger(rows) || rows < 1 || rows > 100_000) {
    throw new UsageError(`--rows is ${values.rows ?? ""}; allowed is a whole number up to 100000`);
  }
  const connection = await registry(values);
  const name = values.name ?? connection.model;
  if (name === undefined) throw new UsageError("--name says which registered model");
  const alias = values.alias ?? connection.modelAlias ?? "production";
  const request: Request = {
    command: chosen,
    name,
    ...(chosen === "publish"
      ? {
          source: subject,
          rows,
          features: list(values.features),
          classNames: list(values["class-names"]),
          alias: alias === "none" ? undefined : alias,
        }
      : { version: subject, alias }),
  };
  await ensureImages(images, { log: onProgress });
  print(await runInSandbox({ request, connection, ...input, onProgress }));
}

const images = ["base-node", "base-mlflow"];

const registry = ({ connection, stack }: { connection?: string; stack?: string }) =>
  connection === undefined ? connectionOfStack(stack ?? "dev") : readConnection(connection);

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

function source(given: string, sample: string | undefined): Pick<Job, "model" | "sample"> {
  for (const path of [given.startsWith("models:/") ? undefined : given, sample]) {
    if (path === undefined) continue;
    if (!existsSync(path)) throw new UsageError(`there is no file or folder ${path}`);
    const { size } = statSync(path);
    if (size > MAX_BYTES)
      throw new UsageError(`${path} has ${size} bytes; allowed are ${MAX_BYTES}`);
  }
  return {
    ...(given.startsWith("models:/") ? {} : { model: resolve(given) }),
    ...(sample === undefined ? {} : { sample: resolve(sample) }),
  };
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`model: ${error.message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
