import { expect, test } from "vitest";
import { testEnvironment } from "./test-environment.ts";

const machine = { PATH: "/usr/bin", HOME: "/home/her", TMPDIR: "/scratch" };

test.each([
  ["a Pulumi of one's own", { PULUMI_HOME: "/p", PULUMI_BACKEND_URL: "s3://x", PULUMI_STACK: "s" }],
  ["the repository of a hook that is running", { GIT_DIR: "/repo/.git", GIT_WORK_TREE: "/repo" }],
  ["variables the service is set by", { PORT: "1", MODEL: "other", MLFLOW_URL: "http://m:5000" }],
  ["what changes the words of programs", { LANG: "de_DE.UTF-8", FORCE_COLOR: "1", CI: "true" }],
  ["the npm that started it", { npm_config_loglevel: "silent", npm_lifecycle_event: "test" }],
  ["Node's own options", { NODE_OPTIONS: "--inspect", NODE_USE_ENV_PROXY: "1" }],
])("a test sees nothing of %s", (_, given) => {
  expect(testEnvironment({ ...machine, ...given }, "/d")).toEqual(testEnvironment(machine, "/d"));
});

test.each([
  ["the machine", machine],
  ["proxies and certificates", { HTTPS_PROXY: "http://p:1", NODE_EXTRA_CA_CERTS: "/ca.pem" }],
  [
    "registries",
    { npm_config_registry: "http://r", PIP_INDEX_URL: "http://p", GOPROXY: "http://g" },
  ],
  ["caches", { XDG_CACHE_HOME: "/cache", GOCACHE: "/go" }],
  ["the engine's address", { DOCKER_HOST: "unix:///other.sock" }],
])("%s is what it is", (_, given) => {
  expect(testEnvironment(given, "/d")).toMatchObject(given);
});

test("no proxy stands before what runs on this machine, in either spelling", () => {
  const { no_proxy: lower, NO_PROXY: upper } = testEnvironment({ NO_PROXY: "intra.net" }, "/d");
  expect([lower, upper]).toEqual([
    "intra.net,localhost,127.0.0.1,::1",
    "intra.net,localhost,127.0.0.1,::1",
  ]);
});

test("Docker and Git are asked without anybody's configuration", () => {
  const seen = testEnvironment({ DOCKER_CONTEXT: "far", DOCKER_CONFIG: "/mine" }, "/d");
  expect(seen).toMatchObject({ DOCKER_CONFIG: "/d", GIT_CONFIG_GLOBAL: "/dev/null" });
  // The default one then: of a folder without contexts there is no other.
  expect(seen).not.toHaveProperty("DOCKER_CONTEXT");
});
