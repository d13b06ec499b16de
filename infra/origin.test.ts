import { expect, test } from "vitest";
import { originOf } from "./origin.ts";

const given = {
  organization: "organization",
  project: "inference-stack",
  stack: "dev",
  settings: "config:\n  a:b: c\nencryptionsalt: v1:abc=:v1:def\n",
};

test("a stack is given the same identity in every checkout, and after each destroy", () => {
  expect(originOf(given)).toMatch(/^[0-9a-f]{8}$/);
  expect(originOf({ ...given, settings: "encryptionsalt: v1:abc=:v1:def\r\n# other config" })).toBe(
    originOf(given),
  );
});

test.each([
  ["name", { stack: "swarm" }],
  ["organization", { organization: "acme" }],
  ["salt", { settings: "encryptionsalt: v1:other=:v1:def\n" }],
  ["key", { settings: "secretsprovider: awskms://x\nencryptedkey: AQI\n" }],
])("another %s is another stack", (_, other) => {
  expect(originOf({ ...given, ...other })).not.toBe(originOf(given));
});

test("without a salt, a key and an organization it is made up", () => {
  const nothing = { ...given, settings: "" };
  expect(originOf(nothing)).not.toBe(originOf(nothing));
  const acme = { ...nothing, organization: "acme" };
  expect(originOf(acme)).toBe(originOf(acme));
});
