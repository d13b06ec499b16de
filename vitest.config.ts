import { defineConfig } from "vitest/config";

// Three engines on one machine under a constant load: with nothing else to do on it.
const quiet = ["test/swarm.test.ts", "test/swarm-dependencies.test.ts"];

// unit: no engine, no network, beside the code it tests.
// engine: a real Docker engine, one file at a time, in test/.
// quiet: the same, of what another process on the machine would decide: `npm run test:quiet`.
const engine = {
  environment: "node",
  fileParallelism: false,
  testTimeout: 15 * 60_000,
  hookTimeout: 30 * 60_000,
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{infra,service,loadtest,toolchain,bench}/**/*.test.ts"],
          environment: "node",
          // A hang is a failure; a busy machine is none.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "engine",
          include: ["test/**/*.test.ts"],
          exclude: quiet,
          ...engine,
        },
      },
      { test: { name: "quiet", include: quiet, ...engine } },
    ],
  },
});
