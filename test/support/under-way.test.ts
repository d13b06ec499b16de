import { expect, test } from "vitest";
import { overdue } from "./under-way.ts";

const since = 1_000_000;
const one = { file: "test/swarm.test.ts", what: "a lost node", since };
const said = (now: number, before: number) =>
  overdue([one], since + now * 1000, since + before * 1000);

test("what has been under way for two minutes is said once, and again after two more", () => {
  expect(said(119, 89)).toEqual([]);
  expect(said(121, 91)).toEqual(["… test/swarm.test.ts: a lost node, for 121 s"]);
  expect(said(151, 121)).toEqual([]);
  expect(said(241, 211)).toHaveLength(1);
});

test("what began after the look before is not", () => {
  expect(said(20, -10)).toEqual([]);
});
