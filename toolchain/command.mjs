// What a command was told. npm stands between it and whoever typed it: flags that do not follow a `--`
// npm takes for its own, and hands on their values alone.
import { parseArgs } from "node:util";

/** A command that was not understood; its message is shown alone. */
export class UsageError extends TypeError {
  code = "ERR_USAGE";
}

/**
 * What most commands understand, and no other may take for nothing: `down` takes down all stacks.
 *
 * @type {Record<string, { type: string, short?: string | undefined }>}
 */
const anywhere = { stack: { type: "string" } };

/** Flags of ours that npm has too: in its environment they say nothing about what was typed. */
const npmsOwn = new Set(["yes", "loglevel"]);

/**
 * The `--` that was left out, as a sentence with the command as it should have been typed.
 *
 * @param {string} script as it is named in package.json
 * @param {Record<string, { type: string, short?: string | undefined }>} options
 * @param {readonly string[]} args what npm handed on
 * @param {NodeJS.ProcessEnv} env where npm leaves what it took
 * @returns {string | undefined}
 */
export function missingDashes(script, options, args, env) {
  const kept = Object.entries({ ...anywhere, ...options }).flatMap(([name, { type, short }]) => {
    if (npmsOwn.has(name)) return [];
    const names = [name.replaceAll("-", "_"), ...(short === undefined ? [] : [short])];
    const found = names.map((key) => env[`npm_config_${key}`]).find((value) => value);
    return found === undefined ? [] : [{ name, value: type === "string" ? found : "" }];
  });
  if (kept.length === 0) return undefined;
  // npm takes a flag that it does not know for a switch, unless the value follows a `=`.
  const unsaid = kept.length === 1 && args.length === 1 ? args[0] : "VALUE";
  const shown = kept.flatMap(({ name, value }) =>
    value.split("\n\n").map((one) => {
      if (one === "") return `--${name}`;
      return `--${name} ${one === "true" ? unsaid : one}`;
    }),
  );
  const names = kept.map(({ name }) => `--${name}`).join(", ");
  return `npm kept ${names} for itself, because the -- before them is missing: npm run ${script} -- ${shown.join(" ")}`;
}

/**
 * As node:util's `parseArgs`, for a script of package.json.
 *
 * @template {import("node:util").ParseArgsConfig} T
 * @param {string} script as it is named in package.json
 * @param {T} config
 * @returns {ReturnType<typeof parseArgs<T>>}
 * @throws {UsageError} in one sentence
 */
export function readCommand(script, config, env = process.env) {
  const { args = process.argv.slice(2), options = {}, allowPositionals } = config;
  const missing = missingDashes(script, options, args, env);
  if (missing !== undefined) throw new UsageError(missing);
  const help = `npm run ${script} -- --help says what is understood.`;
  try {
    return parseArgs(config);
  } catch (error) {
    const [why = ""] = (error instanceof Error ? error.message : String(error)).split(". ");
    const stray = allowPositionals ? "" : "; flags come after a --";
    throw new UsageError(
      /^Unexpected argument/.test(why) ? `${why}${stray}. ${help}` : `${why}. ${help}`,
      { cause: error },
    );
  }
}
