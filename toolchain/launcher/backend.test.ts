import { expect, test } from "vitest";
import { pulumiHome } from "../paths.mjs";
import { backendDir, backendUrl, choose, passphraseFile } from "./backend.mjs";

const none = () => undefined;

test("with nothing chosen, everything is the clone's own", () => {
  expect(choose({}, undefined, none)).toEqual({
    ownBackend: true,
    home: pulumiHome,
    ownHome: true,
    ownPassphrase: true,
  });
});

test("what `npm run env` exported is the clone's own", () => {
  const exported = {
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: backendUrl,
    PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
  };
  expect(choose(exported, undefined, none)).toEqual(choose({}, undefined, none));
});

test.each<[string, NodeJS.ProcessEnv, string | undefined, string | undefined, boolean]>([
  ["a folder of theirs", { PULUMI_BACKEND_URL: "file:///shared" }, undefined, undefined, false],
  ["a bucket", { PULUMI_BACKEND_URL: "s3://states" }, undefined, undefined, false],
  [
    "ours, spelled otherwise",
    { PULUMI_BACKEND_URL: `file://${backendDir}/?x=1` },
    undefined,
    undefined,
    true,
  ],
  ["an empty variable", { PULUMI_BACKEND_URL: "" }, undefined, undefined, true],
  ["the project's", {}, "s3://states", undefined, false],
  ["ours, over the project's", { PULUMI_BACKEND_URL: backendUrl }, "s3://states", undefined, true],
  ["a login in the home in use", {}, undefined, "https://api.pulumi.com", false],
  ["an access token alone", { PULUMI_ACCESS_TOKEN: "pul-1" }, undefined, undefined, true],
  ["a passphrase alone", { PULUMI_CONFIG_PASSPHRASE: "" }, undefined, undefined, true],
])("%s", (_, caller, projectUrl, login, own) => {
  expect(choose(caller, projectUrl, () => login).ownBackend).toBe(own);
});

test("the login is looked for in the caller's home", () => {
  const homes: string[] = [];
  const chosen = choose({ PULUMI_HOME: "/their/home" }, undefined, (home) => {
    homes.push(home);
    return "s3://states";
  });
  expect(homes).toEqual(["/their/home"]);
  expect(chosen).toMatchObject({ home: "/their/home", ownHome: false, ownBackend: false });
});

test.each<[NodeJS.ProcessEnv, boolean]>([
  [{ PULUMI_CONFIG_PASSPHRASE: "" }, false],
  [{ PULUMI_CONFIG_PASSPHRASE: "theirs" }, false],
  [{ PULUMI_CONFIG_PASSPHRASE_FILE: "/their/file" }, false],
  [{ PULUMI_CONFIG_PASSPHRASE_FILE: "" }, true],
  [{ PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile, PULUMI_CONFIG_PASSPHRASE: "theirs" }, false],
])("%o: the clone's passphrase is used: %s", (caller, own) => {
  expect(choose(caller, undefined, none).ownPassphrase).toBe(own);
});
