import { relative } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { besideEachOther, filesAtOnce } from "./test/support/parts.ts";

// unit: no engine, no network, beside the code it tests.
// engine: a real Docker engine, one file at a time, in test/.
// Both in an environment that is the same whoever runs them.

/** Of the engine's files; one has the machine for itself unless told. */
const atOnce = Number(process.env[filesAtOnce] ?? 1);

const setupFiles = ["test/support/environment.ts"];

/** Those that are run beside each other in the order of their list, the others as vitest has them. */
class AsListed extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      besideEachOther.indexOf(relative(import.meta.dirname, moduleId));
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: AsListed },
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
          testTimeout: 10 * 60_000,
          hookTimeout: 20 * 60_000,
        },
      },
    ],
  },
});
