import { expect, test } from "vitest";
import { isHarmless, killPage, summary } from "./kill-table.ts";
import { inLine } from "./kill.ts";
import type { Outcome } from "./killed-up.ts";

const held: Outcome = {
  change: { key: "cpus", value: "0.5" },
  killedAtMs: 6543,
  processes: 9,
  doing: "Container inference-0 creating replacement",
  sent: 1234,
  failures: [],
  slowestMs: 87.6,
  recovered: ["cleared a lock", "removed a container"],
  convergedSeconds: 15.04,
  wrong: [],
};
const broke: Outcome = {
  ...held,
  recovered: [],
  failures: ["503 no replica", "503 no replica"],
  wrong: ["a preview has changes"],
};
const campaign = { seed: 7, undisturbedMs: 13_200, outcomes: [held, broke] };

test("harmless is what loses nothing and converges", () => {
  expect(isHarmless(held)).toBe(true);
  expect(isHarmless({ ...held, failures: ["503"] })).toBe(false);
  expect(isHarmless({ ...held, wrong: ["up ended with 1"] })).toBe(false);
});

test("a line of progress says what was lost, and what did not converge", () => {
  expect(inLine(held)).toBe(
    'killed after 6.5 s at "Container inference-0 creating replacement"; 0 of 1234 requests lost; converged in 15.0 s',
  );
  expect(inLine(broke)).toContain("2 of 1234 requests lost (503 no replica)");
  expect(inLine(broke)).toContain("did NOT converge: a preview has changes");
});

test("the page has the sums, how it was done, and a row for each moment", () => {
  expect(summary(campaign)).toBe(
    "`up` killed 2 times: 2 of 2,468 requests lost; the next `up` converged 1 times.",
  );
  const page = killPage(campaign, "2030-01-01, one machine.");
  expect(page).toContain(summary(campaign));
  expect(page).toContain("by seed 7: 13.2 s undisturbed");
  expect(page).toContain(" 2030-01-01, one machine.\n");
  const rows = page.split("\n").filter((line) => line.startsWith("|"));
  expect(rows).toHaveLength(4);
  expect(rows[2]).toBe(
    "| `cpus 0.5` | 6.5 | 9 | Container inference-0 creating replacement | 1,234 | 0 | 88 | cleared a lock, removed a container | 15.0 | nothing |",
  );
  expect(rows[3]).toContain("| 2 | 88 | nothing | 15.0 | a preview has changes |");
  expect(new Set(rows.map((row) => row.split("|").length)).size).toBe(1);
});
