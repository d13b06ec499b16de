import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerState } from "../../loadtest/api.ts";
import { parseFlags } from "../../loadtest/flags.ts";
import { needProgram } from "../support/programs.ts";
import { cluster, helper, runMain, until, type Cluster, type Finished } from "./processes.ts";
import type { Recorded } from "./scripted-server.ts";

let server: Awaited<ReturnType<typeof helper<Recorded>>>;
let stack: Cluster;
beforeAll(async () => {
  server = await helper<Recorded>("scripted-server.ts");
  stack = await cluster(server.url);
});
afterAll(() => {
  stack.end();
  server.end();
});

interface Stats {
  state: string;
  user_count: number;
  stats: { name: string; num_requests: number; num_failures: number }[];
  workers: { id: string; state: string; user_count: number }[];
}
const stats = async (): Promise<Stats> =>
  (await (await fetch(`${stack.url}/stats/requests`)).json()) as Stats;
const post = (
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(stack.url + path, {
    method: "POST",
    body,
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  });

test("calls of scripts written for Locust work, and the numbers are the server's", async () => {
  await server.ask();
  stack.startWorker();
  await until(async () => (await stats()).workers.length === 1);
  const started = await post("/swarm", "user_count=50&spawn_rate=50&host=");
  expect(await started.json()).toMatchObject({
    success: true,
    message: "Swarming started",
    host: server.url,
  });
  await until(async () => (await stats()).state === "running");
  await post("/swarm", "user_count=80&spawn_rate=100");
  await until(async () => (await stats()).user_count === 80);
  expect(await (await fetch(`${stack.url}/stop`)).json()).toMatchObject({ success: true });
  await until(async () => (await stats()).state === "stopped");
  const { count } = await server.ask();
  const now = await stats();
  expect(now.stats.at(-1)).toMatchObject({
    name: "Aggregated",
    num_requests: count,
    num_failures: 0,
  });

  const csv = await (await fetch(`${stack.url}/stats/requests/csv`)).text();
  expect(csv.split("\r\n")[2]).toMatch(new RegExp(`^,Aggregated,${count},0,`));
  for (const path of [
    "/stats/failures/csv",
    "/exceptions/csv",
    "/stats/requests_full_history/csv",
  ]) {
    expect((await fetch(stack.url + path)).headers.get("content-type")).toContain("text/csv");
  }
  for (const path of ["/exceptions", "/tasks", "/logs"])
    expect((await fetch(stack.url + path)).ok).toBe(true);
  const report = await (await fetch(`${stack.url}/stats/report?download=1`)).text();
  expect(report).not.toMatch(/(src|href)="https?:/);
  expect(report).toContain('"type":"ended"');
});

test("another site's page cannot start a run, nor a run leave for another host", async () => {
  const foreign = await post("/swarm", "user_count=1", { origin: "http://evil.example" });
  expect(foreign.status).toBe(403);
  const elsewhere = await post("/swarm", "user_count=1&host=http://192.0.2.1");
  expect(await elsewhere.json()).toMatchObject({
    success: false,
    message: expect.stringContaining("may not be loaded") as string,
  });
  const code = await fetch(`${stack.url}/api/runs`, { method: "POST", body: "{}" });
  expect(code.status).toBe(403);
});

// Killed, its connection ends; stopped, it says nothing any more.
test.each(["SIGKILL", "SIGSTOP"] as const)(
  "a worker that is gone in mid-run (%s) is noticed within seconds, its users move, and the result says so",
  async (signal) => {
    const second = stack.startWorker();
    await until(async () => (await state())["workers"] === 2);
    await post("/swarm", "user_count=100&spawn_rate=200");
    await until(
      async () => (await stats()).workers.filter((one) => one.user_count === 50).length === 2,
    );
    second.kill(signal);
    const gone = performance.now();
    await until(async () => (await stats()).workers.some((one) => one.state === "missing"), 15);
    await until(
      async () =>
        (await stats()).user_count === 100 &&
        (await stats()).workers.some((one) => one.user_count === 100),
      15,
    );
    console.log(
      `${signal}: noticed, and its users moved, after ${Math.round(performance.now() - gone)} ms`,
    );
    await post("/stop", "");
    await until(async () => (await stats()).state === "stopped");
    const [newest] = (await (await fetch(`${stack.url}/api/runs`)).json()) as [{ id: string }];
    const events = await (await fetch(`${stack.url}/api/runs/${newest.id}`)).text();
    expect(events).toMatch(/was lost with 50 users/);
    second.kill("SIGKILL");
  },
);

const state = async (): Promise<Record<string, unknown>> =>
  (await (await fetch(`${stack.url}/api/state`)).json()) as Record<string, unknown>;

test("somebody without the secret can neither be a worker nor make the master speak", async () => {
  const said = await new Promise<string>((resolve) => {
    let text = "";
    const socket = createConnection(stack.workerPort, "127.0.0.1");
    socket.on("data", (chunk) => {
      text += chunk.toString();
      socket.write(
        `${JSON.stringify({ type: "hello", name: "x", nonce: "0123456789abcdef", proof: "no" })}\n`,
      );
    });
    socket.on("close", () => {
      resolve(text);
    });
    socket.on("error", () => undefined);
  });
  expect(said).toMatch(/^\{"type":"challenge","nonce":"[\w-]+"\}\n$/);
  expect((await state())["workers"]).toBe(1);
});

test("Ctrl-C ends a run gently, with its tables, and every request counted", async () => {
  await server.ask();
  const { child, finished } = runMain(
    "run",
    "-H",
    server.url,
    "-u",
    "40",
    "-r",
    "40",
    "--only-summary",
  );
  let count = 0;
  await until(async () => (count += (await server.ask()).count) > 100);
  child.kill("SIGINT");
  const { code, stdout } = await finished;
  count += (await server.ask()).count;
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`Aggregated +${count} +0 \\(0\\.00%\\)`));
});

test("an open loop sends what was asked for, however slow the server", async () => {
  await server.ask();
  const { finished } = runMain(
    "run",
    "-H",
    server.url,
    "--rate",
    "0-400:2s,400:3s",
    "--only-summary",
    "--processes",
    "2",
  );
  await finished;
  expect((await server.ask()).count).toBeGreaterThanOrEqual(1590);
});

const rowsFile = (name: string, text: string): string => {
  const file = join(mkdtempSync(join(tmpdir(), "rows-")), name);
  writeFileSync(file, text);
  return file;
};

/** As the service describes a model of two double features, one of which may be missing. */
const double = {
  type: "number",
  format: "double",
  minimum: -Number.MAX_VALUE,
  maximum: Number.MAX_VALUE,
};
const row = {
  type: "object",
  properties: { a: double, b: { ...double, type: ["number", "null"] } },
  required: ["a"],
};
const content = { "application/json": { schema: row } };
const description = JSON.stringify({
  paths: { "/predict": { post: { requestBody: { content } } } },
});

/** A model that takes what `fits`, and says of the rest what the service would; the rows it was sent. */
async function strictModel(fits: (row: { a: unknown }) => boolean, there = () => true) {
  const sent: { a: unknown; tried: boolean }[] = [];
  const http = createHttpServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      if (request.url === "/openapi.json") {
        response.writeHead(there() ? 200 : 503).end(description);
        return;
      }
      const { a } = JSON.parse(text) as { a: unknown };
      sent.push({ a, tried: request.headers["user-agent"]?.includes("(try)") === true });
      const detail = `"/a" is ${String(a)}; it must be a number.`;
      if (fits({ a })) response.end('{"label":1}');
      else response.writeHead(422).end(JSON.stringify({ title: "Invalid input", detail }));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, port, sent, http };
}

test("a model of doubles is loaded with numbers; what it refuses ends the run before it began", async () => {
  const model = await strictModel(({ a }) => typeof a === "number");
  const load = ["-u", "5", "-r", "50", "-t", "2s", "--think-time", "0.1", "--only-summary"];
  const fine = await runMain("run", "-H", model.url, ...load).finished;
  expect([fine.code, fine.stdout]).toEqual([0, expect.stringMatching(/Aggregated +\d+ +0 \(0/)]);
  expect(new Set(model.sent.map(({ a }) => a)).size).toBeGreaterThan(20);

  model.sent.length = 0;
  const bad = rowsFile("bad.ndjson", '{"a":null}\n');
  const refused = await runMain("run", "-H", model.url, "--data", bad, ...load).finished;
  expect(refused.code).toBe(2);
  expect(refused.stderr.trim().split("\n")).toEqual([
    expect.stringMatching(
      /refuses what it would send: POST \/predict with row 1 of bad\.ndjson, \{"a":null\}, was answered 422, "Invalid input: "\/a" is null; it must be a number\."; mend that row/,
    ),
  ]);
  expect(model.sent).toEqual([{ a: null, tried: true }]);
  model.http.close();
});

test("the page and the stack's command say the refusal as a run that does not start", async () => {
  let taken = false;
  let there = false;
  const model = await strictModel(
    () => taken,
    () => there,
  );
  const picky = await cluster(model.url);
  picky.startWorker();
  const { request } = parseFlags(["-u", "3", "-t", "1s"]);
  const away = expect.stringContaining("/openapi.json cannot be read (status 503)") as string;
  expect(await picky.drive(request)).toEqual([{ refused: away, notYet: true }]);
  there = true;
  const swarm = await fetch(`${picky.url}/swarm`, {
    method: "POST",
    body: new URLSearchParams({ user_count: "3", spawn_rate: "3" }),
  });
  expect([swarm.status, await swarm.json()]).toEqual([
    400,
    { success: false, message: expect.stringContaining("it must be a number") as string },
  ]);
  const said = expect.stringContaining("was answered 422") as string;
  expect(await picky.drive(request)).toEqual([{ refused: said }]);
  // As a capacity search asks before its first trial.
  expect(await picky.drive(request, "try")).toEqual([{ refused: said }]);
  [taken, there] = [true, false];
  // What it said of itself before is still true.
  expect(await picky.drive(request, "try")).toEqual([{ tried: "taken" }]);
  expect(model.sent.every(({ tried }) => tried)).toBe(true);
  picky.end();
  model.http.close();
});

test("people's own rows are sent to the letter, each in turn; what the model says of some is in the table", async () => {
  // Every fifth is tried first: they are taken.
  const model = await strictModel(({ a }) => a !== "x");
  const lines = Array.from({ length: 10 }, (_, i) => (i === 3 ? "x" : `${i}.50`));
  const data = rowsFile("mine.csv", `a,b\n${lines.map((a) => `${a},`).join("\n")}\n`);
  const csv = join(mkdtempSync(join(tmpdir(), "out-")), "r");
  const load = ["-u", "1", "-t", "3s", "--think-time", "0.05", "--csv", csv];
  const cells = await runMain("run", "-H", model.url, "--data", data, ...load).finished;
  expect(cells.stderr).toContain(
    'mine.csv, row 4, has "x" in column "a"; POST /predict takes number',
  );
  expect(cells.code).toBe(2);

  const bodies = lines.map((a, i) => `{"a":${i === 3 ? '"x"' : String(i)}}`);
  const own = rowsFile("mine.ndjson", bodies.join("\n"));
  const { code, stdout } = await runMain("run", "-H", model.url, "--data", own, ...load).finished;
  expect(code).toBe(1);
  const said = 'status 422: Invalid input: "/a" is x; it must be a number.';
  expect(stdout).toContain(`What the server said\nPOST /predict, ${said}`);
  const [head, failure, rest] = readFileSync(`${csv}_failures.csv`, "utf8").split("\r\n");
  expect(head).toBe("Method,Name,Error,Occurrences,First Seen,Last Seen");
  expect(failure).toMatch(
    /^POST,\/predict,"status 422: Invalid input: ""\/a"" is x; it must be a number\.",\d+,/,
  );
  expect(rest).toBe("");
  const sent = model.sent.filter(({ tried }) => !tried).map(({ a }) => a);
  expect(sent.length).toBeGreaterThan(20);
  const first = sent[0] === "x" ? 3 : Number(sent[0]);
  expect(sent).toEqual(sent.map((_, i) => ((first + i) % 10 === 3 ? "x" : (first + i) % 10)));
  model.http.close();
});

test("failures, thresholds and unreachable hosts have their own exit status", async () => {
  const rude = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"));
  });
  await new Promise<void>((resolve) => rude.listen(0, "127.0.0.1", resolve));
  const { port } = rude.address() as { port: number };
  const ended = (...args: string[]): Promise<Finished> => runMain("run", ...args).finished;
  // Nobody is there to say what to send.
  const own = ["--data", rowsFile("rows.json", '[{"a":1}]')];
  const [broken, refused, unknown, slow, code] = await Promise.all([
    ended("-H", `http://127.0.0.1:${port}`, ...own, "-u", "2", "-r", "2", "-t", "2s"),
    ended("-H", "http://127.0.0.1:1", ...own, "-u", "2", "-t", "2s", "--exit-code-on-error", "7"),
    ended("-H", "http://no-such-host.invalid", ...own, "-t", "2s"),
    ended("-H", server.url, "-u", "5", "-r", "5", "-t", "20s", "--threshold", "p95<1ms !abort"),
    ended("-H", "nonsense"),
  ]);
  rude.close();
  expect([broken.code, refused.code, unknown.code, slow.code, code.code]).toEqual([1, 7, 2, 99, 2]);
  expect(broken.stdout).toContain("connection closed before the reply was whole");
  expect(refused.stdout).toContain("connection refused");
  expect(unknown.stderr).toContain("the host name no-such-host.invalid is not known here");
  expect(slow.stdout).toContain("CROSSED  p95<1ms");
  expect(code.stderr.trim().split("\n")).toHaveLength(1);
});

test("HTTPS is spoken; a certificate nobody vouches for is a failure unless allowed", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tls-"));
  execFileSync(
    await needProgram("openssl"),
    [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-keyout",
      "key",
      "-out",
      "cert",
    ],
    { cwd: dir, stdio: "ignore" },
  );
  const tls = createTlsServer(
    { key: readFileSync(join(dir, "key")), cert: readFileSync(join(dir, "cert")) },
    (_, reply) => reply.end("x".repeat(100_000)),
  );
  await new Promise<void>((resolve) => tls.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(tls.address() as { port: number }).port}`;
  const own = ["--data", rowsFile("rows.ndjson", '{"a":1}\n')];
  const args = ["run", "-H", url, ...own, "-u", "3", "-r", "9", "-t", "2s", "--think-time", "0.1"];
  const [strict, lax] = await Promise.all([
    runMain(...args).finished,
    runMain(...args, "--insecure").finished,
  ]);
  tls.close();
  expect(strict.code).toBe(1);
  expect(strict.stdout).toContain("SELF_SIGNED");
  expect(lax.code).toBe(0);
});

test("a scenario's file runs its own code on every worker", async () => {
  const dir = mkdtempSync(join(tmpdir(), "scenario-"));
  writeFileSync(join(dir, "rows.json"), '[{"n":1},{"n":2}]');
  writeFileSync(
    join(dir, "s.ts"),
    `export default { thinkTime: { kind: "constant", seconds: 0.1 }, data: { rows: "rows.json" }, tasks: [
       { name: "fine", weight: 3, request: ({ data, random }) => ({ path: "/", body: data.rows[Math.floor(random() * 2)] }),
         check: (reply) => reply.json().prediction === "setosa" ? undefined : "not setosa" },
       { name: "picky", request: { path: "/p" }, check: () => "never good" },
       { name: "boom", method: "GET", request: () => { throw new Error("boom, quoted") } },
     ] };`,
  );
  const csv = join(dir, "out");
  const { code, stdout } = await runMain(
    "run",
    "-H",
    server.url,
    "-f",
    join(dir, "s.ts"),
    "-u",
    "10",
    "-r",
    "50",
    "-t",
    "2s",
    "--processes",
    "2",
    "--csv",
    csv,
  ).finished;
  expect(code).toBe(1);
  expect(stdout).toMatch(/never good/);
  expect(stdout).toMatch(/fine +\d+ +0 \(/);
  expect(readFileSync(`${csv}_exceptions.csv`, "utf8")).toContain('"boom, quoted"');
});

test("a run waits for the workers it expects, and says when they do not come", async () => {
  const { request } = parseFlags(["-u", "4", "-r", "9", "-t", "1s", "--expect-workers", "2"]);
  const before = (await state())["workers"] as number;
  const expected = { ...request, expectWorkers: before + 1 };
  const [refused] = await stack.drive({ ...expected, expectWorkersMaxWait: 1 });
  expect(refused).toEqual({
    refused: expect.stringContaining(
      `${before} of ${before + 1} workers joined within 1 s`,
    ) as string,
  });
  const driven = stack.drive(expected);
  await until(async () => (await state())["state"] === "spawning");
  stack.startWorker();
  const events = (await driven).flatMap((line) => ("event" in line ? [line.event] : []));
  expect(events[0]?.type).toBe("started");
  expect(events.at(-1)).toMatchObject({ type: "ended", reason: "run time over" });
  const last = events.findLast((event) => event.type === "tick");
  expect(last?.workers.filter((one) => one.state === "ready").length).toBe(before + 1);
});

/** A local run with its page, and where that is. */
async function withPage(...args: string[]) {
  const { child, finished } = runMain("run", "-H", server.url, "--web-port", "0", ...args);
  const url = await new Promise<string>((resolve) => {
    child.stderr?.on("data", (text: Buffer) => {
      const found = /the page is on (\S+)/.exec(text.toString())?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return { child, finished, url };
}

test("with --autostart the run begins at once and is on a page, until --autoquit", async () => {
  const { finished, url } = await withPage(
    ...["-u", "5", "-r", "50", "-t", "3s", "--autostart", "--autoquit", "1s"],
  );
  await until(async () => {
    const reply = await fetch(`${url}/stats/requests`);
    return ((await reply.json()) as Stats).state === "running";
  });
  const { code, stdout } = await finished;
  expect(code).toBe(0);
  expect(stdout).toMatch(/Aggregated +\d+ +0 \(0\.00%\)/);
});

test("without --autostart the page waits to be told, and Ctrl-C ends it", async () => {
  const { child, finished, url } = await withPage("-u", "7", "-r", "50");
  const { defaults, state: idle } = (await (await fetch(`${url}/api/state`)).json()) as ServerState;
  expect([idle, defaults.user_count, defaults.host]).toEqual(["ready", "7", server.url]);
  const form = new URLSearchParams({ user_count: "3", spawn_rate: "30" });
  expect((await fetch(`${url}/swarm`, { method: "POST", body: form })).ok).toBe(true);
  await until(async () => {
    const reply = await fetch(`${url}/stats/requests`);
    return ((await reply.json()) as Stats).user_count === 3;
  });
  child.kill("SIGINT");
  expect((await finished).code).toBe(0);
});
