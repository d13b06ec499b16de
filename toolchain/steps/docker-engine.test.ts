import { expect, test } from "vitest";

import { planEngine } from "./docker-engine.mjs";

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
