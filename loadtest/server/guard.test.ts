import { expect, test } from "vitest";
import { judgeRequest, type GuardOptions } from "./guard.ts";

const ask = (
  method: string,
  path: string,
  headers: Record<string, string>,
  options: Partial<GuardOptions> = {},
) => {
  const verdict = judgeRequest(
    { method, path, header: (name) => ({ host: "127.0.0.1:8089", ...headers })[name] },
    { allowedHosts: ["loadtest"], token: null, ...options },
  );
  return verdict.ok ? 200 : verdict.status;
};

test("a script may start, stop and reset, by whatever method Locust has for it", () => {
  expect(ask("POST", "/swarm", {})).toBe(200);
  expect(ask("GET", "/stop", { host: "localhost:8089" })).toBe(200);
  expect(ask("GET", "/stats/reset", { host: "loadtest:8089" })).toBe(200);
});

test("the page itself may", () => {
  const own = { origin: "http://127.0.0.1:8089", "sec-fetch-site": "same-origin" };
  expect(ask("POST", "/swarm", own)).toBe(200);
});

test.each([
  [
    "another site's form",
    "POST",
    "/swarm",
    { origin: "http://evil.example", "sec-fetch-site": "cross-site" },
  ],
  [
    "another port's page",
    "POST",
    "/swarm",
    { origin: "http://127.0.0.1:9000", "sec-fetch-site": "same-site" },
  ],
  ["a page without an origin", "POST", "/swarm", { origin: "null" }],
  ["an image that stops a run", "GET", "/stop", { "sec-fetch-site": "cross-site" }],
  ["a rebound name", "GET", "/stats/requests", { host: "evil.example:8089" }],
  ["no name", "GET", "/", { host: "" }],
])("%s is refused", (_, method, path, headers) => {
  expect(ask(method, path, headers)).toBe(403);
});

test("with a token it may be asked under any name, and is refused under any without", () => {
  const token = { token: "t0ken" };
  for (const host of ["10.1.2.3:8089", "build-7.lan:8089", "[fd00::7]:8089"]) {
    expect(ask("GET", "/", { host }, token)).toBe(200);
    expect(ask("GET", "/stats/requests", { host }, token)).toBe(401);
    const known = { host, cookie: "loadtest_token=t0ken" };
    expect(ask("GET", "/stats/requests", known, token)).toBe(200);
    expect(ask("POST", "/swarm", { ...known, origin: `http://${host}` }, token)).toBe(200);
    expect(ask("POST", "/swarm", { ...known, origin: "http://evil.example" }, token)).toBe(403);
  }
});

test("with a token everything but the page, the login and the health check needs it", () => {
  const token = { token: "t0ken" };
  expect(ask("GET", "/stats/requests", {}, token)).toBe(401);
  expect(ask("GET", "/stats/requests", { authorization: "Bearer nope" }, token)).toBe(401);
  expect(ask("GET", "/stats/requests", { authorization: "Bearer t0ken" }, token)).toBe(200);
  expect(ask("POST", "/swarm", { cookie: "a=b; loadtest_token=t0ken" }, token)).toBe(200);
  expect(ask("GET", "/", {}, token)).toBe(200);
  expect(ask("POST", "/login", {}, token)).toBe(200);
  expect(ask("GET", "/healthz", { host: "x" }, token)).toBe(200);
});
