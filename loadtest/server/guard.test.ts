import { expect, test } from "vitest";
import { isHost, judgeRequest, tokenCookie, type GuardOptions } from "./guard.ts";

const ask = (
  method: string,
  path: string,
  headers: Record<string, string>,
  options: Partial<GuardOptions> = {},
  from?: string,
) => {
  const verdict = judgeRequest(
    { method, path, header: (name) => ({ host: "127.0.0.1:8089", ...headers })[name], from },
    { token: null, ...options },
  );
  return verdict.ok ? 200 : verdict.status;
};

test("a script may start, stop and reset, by whatever method Locust has for it", () => {
  expect(ask("POST", "/swarm", {})).toBe(200);
  expect(ask("GET", "/stop", { host: "localhost:8089" })).toBe(200);
  expect(ask("GET", "/stats/reset", { host: "LocalHost:8089" })).toBe(200);
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
  ["no address of loopback", "GET", "/", { host: "127.999.1.1" }],
  ["a name that begins like one", "GET", "/", { host: "127.0.0.1.evil.example" }],
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

const shared = { token: "t0ken", exempt: (from?: string) => from === "172.18.0.1" };

test("a container that calls under whatever name needs the token, the host that published the page does not", () => {
  for (const host of ["loadtest", "loadtest:8089", "127.0.0.1:8089", "localhost", "172.18.0.4"]) {
    for (const from of ["172.18.0.3", undefined]) {
      expect(ask("POST", "/swarm", { host }, shared, from)).toBe(401);
      expect(ask("GET", "/stop", { host }, shared, from)).toBe(401);
      expect(ask("GET", "/stats/requests", { host }, shared, from)).toBe(401);
      const known = { host, authorization: "bearer t0ken" };
      expect(ask("POST", "/swarm", known, shared, from)).toBe(200);
    }
  }
  const host = "172.18.0.1";
  expect(ask("POST", "/swarm", {}, shared, host)).toBe(200);
  // A page of another site is still one, and a rebound name too.
  expect(ask("POST", "/swarm", { origin: "http://evil.example" }, shared, host)).toBe(403);
  expect(ask("GET", "/stats/requests", { host: "evil.example:8089" }, shared, host)).toBe(403);
});

test.each(["%E0%A4%A", "%", "%zz", "t0ken%", '"', "=", "\u00ff"])(
  "the cookie %j is a wrong token and nothing worse",
  (value) => {
    const cookie = `loadtest_token=${value}`;
    expect(ask("GET", "/stats/requests", { cookie }, { token: "t0ken" })).toBe(401);
    const both = `${cookie}; loadtest_token=t0ken`;
    expect(ask("GET", "/stats/requests", { cookie: both }, { token: "t0ken" })).toBe(200);
  },
);

test("a token of any characters comes back by its cookie", () => {
  const token = 'a;b=c %"é';
  const cookie = tokenCookie(token);
  expect(cookie).toMatch(/^[!-~]+$/);
  expect(ask("GET", "/stats/requests", { cookie }, { token })).toBe(200);
});

test("a host is a name or an address as URLs write it", () => {
  for (const host of ["localhost", "LOCALHOST:8089", "10.1.2.3:80", "[::1]:8089", "a_b.lan."])
    expect(isHost(host), host).toBe(true);
  for (const host of [
    ...["", " ", ":8089", "localhost:", "localhost:99999", "localhost:-1", "localhost:0x50"],
    ...["127.999.1.1", "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.", "1.2.3.4.5"],
    ...["[::1", "::1", "[::g]", "[0:0:0:0:0:0:0:1]", "[::1]x", "[fe80::1%25eth0]"],
    ...["me@localhost", "localhost/x", "localhost?x", "localhost#x", "local\\host", "a b", "a,b"],
    ...["local%68ost", "%E0%A4%A", "local\thost", "\u00ff", "xn--\u00e9", "<b>", "a|b", "^"],
  ])
    expect(isHost(host), host).toBe(false);
});
