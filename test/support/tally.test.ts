import { expect, test } from "vitest";
import { tally, tallyText } from "./tally.ts";

const file = (name: string, status: string, ...tests: string[]) => ({
  name,
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

/** As vitest writes it: it counts files and groups among what failed. */
const report = {
  numPassedTests: 3,
  numFailedTests: 2,
  numFailedTestSuites: 7,
  testResults: [
    file("a.test.ts", "failed", "passed", "failed", "failed", "skipped"),
    file("b.test.ts", "failed"),
    file("c.test.ts", "failed", "skipped"),
    file("d.test.ts", "failed", "passed"),
    file("e.test.ts", "passed", "passed"),
  ],
};

test("a test that failed is counted once, whatever it is in", () => {
  expect(tally(report)).toMatchObject({ passed: 3, failed: 2, skipped: 2 });
});

test("a file that cannot be read, or whose hook fails, is a failure though no test of it is", () => {
  expect(tally(report).broken).toEqual(["b.test.ts", "c.test.ts", "d.test.ts"]);
});

test("all of it is one line", () => {
  const good = tally({ testResults: [file("f.test.ts", "passed", "passed")] });
  expect(tallyText([good])).toBe("1 test passed, 0 failed");
  expect(tallyText([good, tally(report)])).toBe(
    "4 tests passed, 2 failed, 2 did not run, 3 files failed outside their tests: " +
      "b.test.ts, c.test.ts, d.test.ts",
  );
});
