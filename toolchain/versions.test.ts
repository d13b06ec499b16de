import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { root } from "./clone.mjs";
import { versions } from "./versions.mjs";

interface Package {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const ours = JSON.parse(read("package.json")) as Package;
const upstream = JSON.parse(read("toolchain", "upstream", "package.json")) as Package;

test("the npm packages and the pins are the same versions", () => {
  for (const machine of ["arm64", "x64"]) {
    expect(ours.optionalDependencies[`node-linux-${machine}`]).toBe(versions.node);
  }
  expect(ours.dependencies["@pulumi/docker"]).toBe(versions.plugins.docker);
  expect(ours.dependencies["@pulumi/command"]).toBe(versions.plugins.command);
  expect(upstream.dependencies.pulumi).toBe(versions.pulumi);
});

test("the Go modules build the pinned versions", () => {
  const required = (module: string, name: string) =>
    new RegExp(`${name} v(\\S+)`).exec(read("toolchain", "plugins", module, "go.mod"))?.[1];
  expect(required("cli", "github.com/pulumi/pulumi/pkg/v3")).toBe(versions.pulumi);
  expect(required("nodejs-host", "github.com/pulumi/pulumi/sdk/v3")).toBe(versions.languageHost);
  for (const plugin of ["docker", "command"] as const) {
    const source = read("toolchain", "plugins", plugin, "main.go");
    expect(/const version = "(.+)"/.exec(source)?.[1]).toBe(versions.plugins[plugin]);
  }
});
