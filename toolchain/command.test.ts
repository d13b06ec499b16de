import { expect, test } from "vitest";
import { missingDashes, readCommand, UsageError } from "./command.mjs";

const options = {
  users: { type: "string", short: "u" },
  "run-time": { type: "string" },
  threshold: { type: "string", multiple: true },
  local: { type: "boolean" },
  json: { type: "boolean" },
  loglevel: { type: "string" },
} as const;
const read = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  readCommand("loadtest", { args, options }, env).values;

// What npm 9, 10 and 11 leave of `npm run loadtest` with each of these and no `--` before it.
test.each([
  ["--users 5", ["5"], { npm_config_users: "true" }, "-- --users 5"],
  ["--users=5", [], { npm_config_users: "5" }, "-- --users 5"],
  ["-u 5", ["5"], { npm_config_u: "true" }, "-- --users 5"],
  ["--json", [], { npm_config_json: "true" }, "-- --json"],
  [
    "--users 5 --run-time 5s",
    ["5", "5s"],
    { npm_config_users: "true", npm_config_run_time: "true" },
    "-- --users VALUE --run-time VALUE",
  ],
  [
    "--threshold=failures=0 --threshold=p95<1s",
    [],
    { npm_config_threshold: "failures=0\n\np95<1s" },
    "-- --threshold failures=0 --threshold p95<1s",
  ],
])("the -- that %s lacks is named", (_, args, env, wanted) => {
  expect(() => read(args, env)).toThrow(UsageError);
  expect(missingDashes("loadtest", options, args, env)).toMatch(
    /^npm kept (--[\w-]+(, )?)+ for itself, because the -- before them is missing: npm run loadtest /,
  );
  expect(missingDashes("loadtest", options, args, env)?.endsWith(wanted)).toBe(true);
});

test("a stack that was named to a command for all of them is not left out silently", () => {
  const down = () => readCommand("down", { args: [], options: {} }, { npm_config_stack: "dev" });
  expect(down).toThrow("npm run down -- --stack dev");
});

test("npm's own settings are not taken for flags that were typed", () => {
  const env = { npm_config_loglevel: "error", npm_config_json: "", npm_config_cache: "/x" };
  expect(read(["--users", "5"], env)).toMatchObject({ users: "5" });
});

test("what is left over is named, and where flags belong", () => {
  expect(() => read(["dev"])).toThrow(
    "Unexpected argument 'dev'; flags come after a --. npm run loadtest -- --help says what is understood.",
  );
  expect(() => read(["--usres", "5"])).toThrow(
    /^Unknown option '--usres'\. npm run loadtest -- --help/,
  );
});
