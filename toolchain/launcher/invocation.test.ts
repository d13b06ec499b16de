import { describe, expect, test } from "vitest";
import { parseInvocation, stackOfProject, useOfStack } from "./invocation.mjs";

const parse = (line: string, env: NodeJS.ProcessEnv = {}) =>
  parseInvocation(line.split(" ").filter(Boolean), env);

describe("the stack that is meant", () => {
  test.each([
    ["up -s dev", "dev"],
    ["up --stack dev", "dev"],
    ["up --stack=dev", "dev"],
    ["up -s=dev", "dev"],
    ["up -sdev", "dev"],
    ["up -ys dev", "dev"],
    ["up -fysdev", "dev"],
    ["up -y -s a -s b", "b"],
    ["-s dev up", "dev"],
    ["config -s dev set cpus 1", "dev"],
    ["config set cpus 1 -s dev", "dev"],
    ["up -s organization/inference-stack/dev", "organization/inference-stack/dev"],
    ["stack init dev", "dev"],
    ["stack init dev --no-select", "dev"],
    ["stack init --copy-config-from dev new", "new"],
    ["stack new -s dev", "dev"],
    ["stack select -c dev", "dev"],
    ["stack remove dev --yes", "dev"],
    ["stack rename new -s dev", "dev"],
    ["stack output apiUrl", undefined],
    ["up", undefined],
    ["up -m --stack -y", undefined],
    ["config set --stack dev -- --stack other", "dev"],
    ["config set key -- -s dev", undefined],
    ["up -c inference-stack:replicas=2 -s dev", "dev"],
    ["logs -f -s dev", "dev"],
    ["import -f resources.json -s dev", "dev"],
  ])("%s", (line, stack) => {
    expect(parse(line).stack).toBe(stack);
  });

  test("is that of PULUMI_STACK where the arguments name none", () => {
    expect(parse("up", { PULUMI_STACK: "swarm" }).stack).toBe("swarm");
    expect(parse("up -s dev", { PULUMI_STACK: "swarm" }).stack).toBe("dev");
  });

  test.each([
    ["dev", "dev"],
    ["eu.west-1_b", "eu.west-1_b"],
    ["organization/dev", "dev"],
    ["organization/inference-stack/dev", "dev"],
    ["organization/other/dev", undefined],
    ["acme/inference-stack/dev", undefined],
    ["acme/dev", undefined],
    ["a/b/c/dev", undefined],
    ["a b", undefined],
    ["", undefined],
  ])("%s is this project's %s", (text, name) => {
    expect(stackOfProject(text, "inference-stack")).toBe(name);
  });
});

describe("the command", () => {
  test.each([
    ["update -y", "up", ""],
    ["dn", "destroy", ""],
    ["pre", "preview", ""],
    ["stack init dev", "stack", "init"],
    ["stack create dev", "stack", "init"],
    ["stack -s dev rm", "stack", "rm"],
    ["stack --show-ids ls", "stack", "ls"],
    ["config", "config", ""],
    ["config set cpus 1", "config", "set"],
    ["--color never up", "up", ""],
    ["--color=never -v 9 --logtostderr up", "up", ""],
    ["-Q -C /elsewhere preview", "preview", ""],
    ["", "", ""],
  ])("%s", (line, verb, sub) => {
    expect(parse(line)).toMatchObject({ verb, sub });
  });

  test.each([
    ["up --help", true],
    ["up -h", true],
    ["up -yh", true],
    ["help up", true],
    ["version", true],
    ["--version", true],
    ["up -m --help", false],
    ["config set key -- --help", false],
    ["up", false],
  ])("%s: only help is asked for: %s", (line, help) => {
    expect(parse(line).help).toBe(help);
  });
});

describe("what the launcher has to know of it", () => {
  test.each([
    ["up", { yes: false, skipPreview: false, refresh: false }],
    ["up -y", { yes: true, skipPreview: false }],
    ["up --yes=false", { yes: false }],
    ["up -f", { yes: true, skipPreview: true }],
    ["up --skip-preview -r", { skipPreview: true, refresh: true }],
    ["up --refresh=false", { refresh: false }],
    ["up --refresh -s dev", { refresh: true, stack: "dev" }],
    ["import -f resources.json", { skipPreview: false }],
    ["up --config-file other.yaml", { configFile: "other.yaml" }],
    ["up -C /elsewhere", { cwd: "/elsewhere" }],
    ["--cwd=/elsewhere up", { cwd: "/elsewhere", verb: "up" }],
    ["config set a -- --cwd=/elsewhere", { cwd: undefined }],
  ])("%s", (line, known) => {
    expect(parse(line)).toMatchObject(known);
  });

  test("PULUMI_SKIP_CONFIRMATIONS is a yes", () => {
    expect(parse("up", { PULUMI_SKIP_CONFIRMATIONS: "true" }).yes).toBe(true);
  });

  test.each([
    ["up", "changes"],
    ["refresh", "changes"],
    ["state delete urn", "changes"],
    ["stack rename new", "changes"],
    ["preview", "reads"],
    ["stack", "reads"],
    ["stack output", "reads"],
    ["stack select dev", "reads"],
    ["config set a b", "reads"],
    ["stack init dev", "names"],
    ["stack ls", "names"],
    ["stack rm dev", "names"],
    ["up --help", "nothing"],
    ["login file:///shared", "nothing"],
    ["whoami", "nothing"],
  ])("%s %s", (line, use) => {
    expect(useOfStack(parse(line))).toBe(use);
  });
});
