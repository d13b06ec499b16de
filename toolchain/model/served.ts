// Run by `up` once MLflow answers, with its connection on standard input: sees to it that there is a
// model to serve. The demonstration is published as itself alone, never in place of somebody's model.
import { z } from "zod";
import { SetupError } from "../errors.mjs";
import { readConnection, type Connection } from "./connection.ts";
import { runInSandbox } from "./sandbox.ts";
import { judge, type Wanted } from "./wanted.ts";

const listed = z.object({ versions: z.array(z.object({ aliases: z.array(z.string()) })) });

/** The aliases of a registered model; undefined where there is no such model. */
async function aliasesOf(name: string, connection: Connection): Promise<string[] | undefined> {
  try {
    const request = { command: "list", name } as const;
    const found = await runInSandbox({ request, connection, onProgress: console.error });
    return listed.parse(found).versions.flatMap(({ aliases }) => aliases);
  } catch (error) {
    const none = error instanceof SetupError && /^there is no registered model/.test(error.message);
    if (none) return undefined;
    throw error;
  }
}

async function main(): Promise<void> {
  const connection = await readConnection("-");
  const wanted: Wanted = {
    name: connection.model ?? "iris",
    alias: connection.modelAlias ?? "production",
    stack: process.env["STACK"] ?? "dev",
  };
  const verdict = judge(wanted, await aliasesOf(wanted.name, connection));
  if (verdict === "served") return;
  if (verdict !== "demonstration") throw new SetupError(verdict.refused);
  await runInSandbox({
    request: {
      command: "publish",
      name: wanted.name,
      source: "service/models/iris",
      alias: wanted.alias,
    },
    connection,
    model: new URL("../../service/models/iris", import.meta.url).pathname,
    onProgress: console.error,
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
