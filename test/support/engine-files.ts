import { globSync } from "node:fs";

/** The tests on the engine, from the project's folder, as vitest.config.ts has them. */
export const engineFiles = (root: string): string[] =>
  globSync("test/**/*.test.ts", {
    cwd: root,
    exclude: ["test/support/**", "test/trust/**"],
  }).sort();
