import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerHost } from "./engine.ts";
import {
  leaveScript,
  madeSwarm,
  membershipEnvironment,
  runMembership,
} from "./swarm-membership.ts";

// An engine that fails to answer at the one moment that matters cannot be had from a real one at will.
const answers = (broken: string): string => `#!/bin/sh
shift 2
echo "$*" >> "$CALLS"
case "$*" in
  ${broken}*) echo "no answer" >&2; exit 1 ;;
  *ControlAvailable*) echo true ;;
  "node inspect"*) echo "$OWNER" ;;
  "node ls"*) echo "node one" ;;
  "network ls"*) echo "network ingress" ;;
esac
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "membership-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function leaveWith(broken: string): string {
  const calls = join(folder, "calls");
  writeFileSync(calls, "");
  writeFileSync(join(folder, "docker"), answers(broken));
  chmodSync(join(folder, "docker"), 0o755);
  runMembership(leaveScript, {
    ...membershipEnvironment("0a1b2c3d"),
    CALLS: calls,
    PATH: `${folder}:${process.env["PATH"] ?? ""}`,
  });
  return readFileSync(calls, "utf8");
}

test("a Swarm that nobody else uses is left", () => {
  expect(leaveWith("nothing")).toContain("swarm leave --force");
});

test.each(["node ls", "service ls", "secret ls", "config ls", "network ls", "ps"])(
  "a Swarm is not left where the engine does not say whom that would harm: %s",
  (broken) => {
    const calls = leaveWith(`"${broken}"`);
    expect(calls).toContain(broken);
    expect(calls).not.toContain("swarm leave");
  },
);

test("the Swarm is made again on the engine that is asked now, whatever its address once was", () => {
  const urn = "urn:pulumi:dev::inference-stack::command:local:Command::swarm";
  const environment = { ...membershipEnvironment("0a1b2c3d"), DOCKER_HOST: "tcp://192.0.2.1:2375" };
  const state = (stdout: string) => [{ urn, inputs: { environment }, outputs: { stdout } }];
  expect(madeSwarm(state("made"))).toEqual({ ...environment, DOCKER_HOST: dockerHost() });
  expect(madeSwarm(state("found"))).toBeUndefined();
});
