import { expect, test } from "vitest";
import { saidBy } from "./said.ts";

const said = (body: unknown): string =>
  saidBy(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));

test("a problem is said by its title, its detail and the errors that the detail leaves out", () => {
  expect(
    said({
      type: "about:blank",
      title: "Invalid input",
      status: 422,
      detail: '"/age" is missing, and 4 more.',
      errors: [
        { pointer: "/age", detail: "is missing" },
        { pointer: "/city", detail: "is null; it must be a string" },
        { pointer: "/a~1b", detail: "is not a feature" },
        { pointer: "/late", detail: "would be too much" },
      ],
    }),
  ).toBe(
    'Invalid input: "/age" is missing, and 4 more; /city is null; it must be a string; /a~1b is not a feature',
  );
});

test.each([
  ["FastAPI's word", { detail: "no such model" }, "no such model"],
  [
    "its list of errors",
    { detail: [{ msg: "field required" }] },
    '{"detail":[{"msg":"field required"}]}',
  ],
  ["V2's", { error: "no input x" }, "no input x"],
  ["text", "  upstream\n\tis away \r\n", "upstream is away"],
  ["nothing", "", ""],
  ["JSON that is no object", "null", "null"],
])("%s", (_, body, words) => {
  expect(said(body)).toBe(words);
});

test("what would move a cursor or turn text around is left out, and it is never long", () => {
  const words = said(`\u001b[2J\u001b]0;x\u0007 bad \u202etxet\u0000 ${"long ".repeat(500)}`);
  expect(words).toMatch(/^\[2J \]0;x bad txet long/);
  // eslint-disable-next-line no-control-regex
  expect(words).not.toMatch(/[\u0000-\u001f\u202e]/);
  expect(words.length).toBeLessThanOrEqual(200);
  expect(said({ title: `a\u001b[31m${"b".repeat(999)}` })).toMatch(/^a \[31mb+$/);
});
