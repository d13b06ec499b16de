// What vitest's JSON report of a run says of tests and of files, each counted as what it is.

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** Tests that did not run at all, though their file did. */
  readonly skipped: number;
  /** Files that failed though none of their tests did: they could not be read, or a hook failed. */
  readonly broken: readonly string[];
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** @param report what `vitest --reporter=json` wrote. Pure. */
export function tally({ testResults }: Report): Tally {
  const statuses = testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ status }) => status),
  );
  const count = (wanted: string): number => statuses.filter((status) => status === wanted).length;
  const [passed, failed] = [count("passed"), count("failed")];
  return {
    passed,
    failed,
    skipped: statuses.length - passed - failed,
    broken: testResults
      .filter(
        ({ status, assertionResults }) =>
          status === "failed" && !assertionResults.some((test) => test.status === "failed"),
      )
      .map(({ name }) => name),
  };
}

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

/** "823 tests passed, 2 failed, 1 file failed outside its tests: test/swarm.test.ts" */
export function tallyText(tallies: readonly Tally[]): string {
  const sum = (of: (one: Tally) => number): number =>
    tallies.reduce((total, one) => total + of(one), 0);
  const passed = sum((one) => one.passed);
  const skipped = sum((one) => one.skipped);
  const broken = tallies.flatMap((one) => one.broken);
  const theirs = broken.length === 1 ? "its" : "their";
  return [
    `${plural(passed, "test")} passed`,
    `${sum((one) => one.failed)} failed`,
    ...(skipped > 0 ? [`${skipped} did not run`] : []),
    ...(broken.length > 0
      ? [`${plural(broken.length, "file")} failed outside ${theirs} tests: ${broken.join(", ")}`]
      : []),
  ].join(", ");
}
