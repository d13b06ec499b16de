import { expect, test } from "vitest";
import { relayConfig, targetsOf } from "./relay-config.ts";

test("passes on each port of a host, which is looked up on its own network only", () => {
  const config = relayConfig("mlflow", [5000, 80], "proyecto2_default");
  expect(config).toMatch(
    /listen port-5000\n {2}bind :5000\n {2}server target mlflow\.proyecto2_default:5000 check /,
  );
  expect(config).toMatch(
    /listen port-80\n {2}bind :80\n {2}server target mlflow\.proyecto2_default:80 check /,
  );
});

test("says it is well only while every port answers", () => {
  expect(relayConfig("s3", [9000, 9001], "n")).toContain(
    "monitor fail if { nbsrv(port-9000) lt 1 } || { nbsrv(port-9001) lt 1 }\n",
  );
});

test("follows a target that restarts to its new address, and ends what the old one left", () => {
  const config = relayConfig("mlflow", [5000], "n");
  expect(config).toContain("hold valid 500ms");
  expect(config).toMatch(/resolvers engine init-addr none .* on-marked-down shutdown-sessions/);
});

test("groups addresses by host, with the port that each scheme implies", () => {
  expect([
    ...targetsOf([
      "http://mlflow:5000",
      "https://s3.local",
      "http://mlflow",
      "http://mlflow:5000/x",
    ]),
  ]).toEqual([
    ["mlflow", [5000, 80]],
    ["s3.local", [443]],
  ]);
});
