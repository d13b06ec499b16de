import { defineConfig } from "vitest/config";

// unit: no engine, no network, beside the code it tests.
// engine: a real Docker engine, one file at a time, in test/.
// Both in an environment that is the same whoever runs them.

/** Of the engine's files; one has the machine for itself unless told. */
const atOnce = Number(process.env["TEST_FILES_AT_ONCE"] ?? 1);

const setupFiles = ["test/support/environment.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{infra,service,loadtest,toolchain,bench,test/support,test/trust}/**/*.test.ts",
          ],
          setupFiles,
          environment: "node",
          // A hang is a failure; a busy machine is none.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "engine",
          include: ["test/**/*.test.ts"],
          exclude: ["test/support/**", "test/trust/**"],
          setupFiles,
          environment: "node",
          fileParallelism: atOnce > 1,
          maxWorkers: atOnce,
          testTimeout: 15 * 60_000,
          hookTimeout: 30 * 60_000,
        },
      },
    ],
  },
});
