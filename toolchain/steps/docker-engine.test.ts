import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { planEngine, removeStalePidFile } from "./docker-engine.mjs";

const bare = {
  client: false,
  daemon: false,
  chosen: undefined,
  refusal: "docker is not installed",
  root: true,
  apt: true,
};
const installed = { ...bare, client: true, daemon: true, refusal: "Cannot connect" };

test.each([
  ["root on Debian without Docker", bare, { do: "install" }],
  ["root on Debian with the client alone", { ...bare, client: true }, { do: "install" }],
  ["root with an engine that does not run", installed, { do: "start" }],
  [
    "root elsewhere with an engine that does not run",
    { ...installed, apt: false },
    { do: "start" },
  ],
  [
    "root elsewhere without Docker",
    { ...bare, apt: false },
    /neither Debian nor Ubuntu.*docs.docker.com/,
  ],
  [
    "a user without Docker",
    { ...bare, root: false },
    /only root may install one.*apt-get install docker.io/,
  ],
  ["a user with an engine that does not run", { ...installed, root: false }, /start it as root/],
  [
    "a user who may not use the engine that runs",
    { ...installed, root: false, refusal: "permission denied while trying to connect" },
    /group docker/,
  ],
  [
    "an engine somebody chose that does not answer",
    { ...installed, chosen: "tcp://elsewhere:2375" },
    /tcp:\/\/elsewhere:2375 does not answer.*unset DOCKER_HOST/,
  ],
])("%s", (_, situation, expected) => {
  const plan = planEngine(situation);
  if (expected instanceof RegExp)
    expect(plan).toEqual({ do: "explain", why: expect.stringMatching(expected) as string });
  else expect(plan).toEqual(expected);
});

test("a PID file is removed unless its process runs the command it stands for", () => {
  const folder = mkdtempSync(join(tmpdir(), "pid-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, "containerd.pid");
  const keeps = (pid: string, command: string) => {
    writeFileSync(file, pid);
    removeStalePidFile(file, command);
    return existsSync(file);
  };
  const own = readFileSync(`/proc/${process.pid}/comm`, "utf8").trim();
  expect(keeps(`${process.pid}\n`, own)).toBe(true);
  expect(keeps(`${process.pid}`, "containerd"), "somebody else's number by now").toBe(false);
  expect(keeps("4194305", "containerd"), "beyond the last PID there is").toBe(false);
  expect(keeps("", "containerd")).toBe(false);
  expect(() => {
    removeStalePidFile(file, "containerd");
  }, "no file at all").not.toThrow();
});
