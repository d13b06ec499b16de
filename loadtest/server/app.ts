// The master's routes; api.ts lists them. Made here, listened to elsewhere: tests need no port.
import type { IncomingMessage } from "node:http";
import { Hono, type Context } from "hono";
import { streamSSE } from "hono/streaming";
import { parseBody } from "hono/utils/body";
import { z } from "zod";
import type { ServerState, SwarmForm, SwarmReply } from "../api.ts";
import type { Ended, RunEvent, RunView } from "../events.ts";
import { Busy, type Master } from "../master.ts";
import { exceptionsCsv, failuresCsv, historyCsv, statsCsv } from "../report/csv.ts";
import { statsJson } from "../report/json.ts";
import { prometheusText } from "../report/prometheus.ts";
import { parseRequest, usualTimeout, type RunRequest } from "../run-request.ts";
import { toldSearch } from "../told-search.ts";
import { NotYet } from "../scenario/prepare.ts";
import { UserError } from "../units.ts";
import { pageAssets } from "../ui/assets.ts";
import { pageDocument } from "../ui/document.ts";
import { Bodies, Refused } from "./bodies.ts";
import { judgeRequest, sameSecret, tokenCookie, type GuardOptions } from "./guard.ts";
import * as locust from "./locust.ts";

export interface AppOptions extends GuardOptions {
  master: Master;
  /** Known to the stack's own command alone: it may start runs that carry code. */
  driveKey: string;
  /** What the start form begins with, where somebody said so. */
  form?: SwarmForm;
}

const maxListeners = 100;
/** Events that a listener may be behind; one that does not keep up begins anew by itself. */
const maxBehind = 20_000;

const kB = 1024;
const mB = 1024 * kB;
/** Most bytes of all bodies at once: a run's are held three or four times over while it begins. */
const allBodies = 64 * mB;
/** Most bytes of a body. */
const usualBody = 64 * kB;
const loginBody = 4 * kB;

/** What is posted by the stack's own command alone, with people's own rows, their code, or a whole search. */
const ownCommand: Partial<Record<string, { most: number; why: string }>> = {
  "/api/capacity": { most: 16 * mB, why: "Only the stack's own search may tell this." },
  "/api/runs": { most: 60 * mB, why: "Use POST /swarm." },
  "/api/runs/try": { most: 60 * mB, why: "Only the stack's own command may ask this." },
};

/** What a request brings with it, here as Node has it and as routes need it. */
interface Env {
  Bindings: { incoming?: IncomingMessage };
  Variables: { body: Buffer };
}

/** The start form's fields under the names of flags. */
const flagOf: Record<keyof SwarmForm, string> = {
  user_count: "users",
  spawn_rate: "spawn-rate",
  host: "host",
  run_time: "run-time",
  think_time: "think-time",
  rate: "rate",
  timeout: "timeout",
  warm_up: "warm-up",
  path: "path",
  threshold: "threshold",
};

/** Reads a start form. Throws UserError, which names the field. */
export function parseSwarm(form: Record<string, unknown>): RunRequest {
  const texts: Record<string, string> = {};
  for (const [field, value] of Object.entries(form)) {
    const flag = Object.hasOwn(flagOf, field) ? flagOf[field as keyof SwarmForm] : undefined;
    // Locust's own form sends more than this (user classes, shapes): left aside, as Locust does.
    if (flag === undefined || (typeof value !== "string" && typeof value !== "number")) continue;
    if (value !== "") texts[flag] = String(value);
  }
  if (texts["rate"] !== undefined) delete texts["users"];
  const { threshold, ...rest } = texts;
  const fieldOf = (flag: string): string =>
    Object.entries(flagOf).find(([, name]) => name === flag)?.[0] ?? flag;
  return parseRequest(
    { ...rest, threshold: threshold?.split(",").filter((one) => one.trim() !== "") },
    fieldOf,
  );
}

export function createApp({ master, driveKey, form = {}, ...guard }: AppOptions): Hono<Env> {
  const app = new Hono<Env>();
  const { recorder } = master;
  const { runs } = master.options;
  const bodies = new Bodies(allBodies);

  app.use(async (c, next) => {
    const verdict = judgeRequest(
      {
        method: c.req.method,
        path: c.req.path,
        header: (name) => c.req.header(name),
        from: addressOf(c),
      },
      guard,
    );
    if (!verdict.ok) return c.json({ success: false, message: verdict.message }, verdict.status);
    // Before there is a reply: afterwards it would be copied.
    c.header("cache-control", "no-store");
    c.header("x-content-type-options", "nosniff");
    await next();
    return undefined;
  });
  // Who may send it, then how large it is, then the body.
  app.use(async (c, next) => {
    const { method, path } = c.req;
    const own = method === "POST" ? ownCommand[path] : undefined;
    if (own !== undefined && !sameSecret(c.req.header("x-drive-key") ?? "", driveKey)) {
      throw new Refused(403, own.why);
    }
    const most = own?.most ?? (path === "/login" ? loginBody : usualBody);
    await bodies.with(c.req.raw, most, async (body) => {
      c.set("body", body);
      await next();
    });
  });
  app.onError((error, c) => {
    if (error instanceof UserError) {
      const reply: SwarmReply = { success: false, message: error.message };
      if (error instanceof Refused && error.status === 503) c.header("retry-after", "1");
      return c.json(reply, statusOf(error));
    }
    master.options.log(`${c.req.method} ${c.req.path}: ${error.stack ?? error.message}`);
    return c.json({ success: false, message: "The load test's master failed at this." }, 500);
  });

  app.get("/healthz", (c) => c.text("ok\n"));
  // Made once: who may not see anything else may still ask for it, again and again.
  let page: Promise<{ bytes: Uint8Array<ArrayBuffer>; csp: string }> | undefined;
  app.get("/", async (c) => {
    page ??= pageAssets().then((assets) => {
      const { html, csp } = pageDocument(assets, { kind: "live" });
      return { bytes: new TextEncoder().encode(html), csp };
    });
    const { bytes, csp } = await page;
    c.header("content-security-policy", csp);
    c.header("referrer-policy", "no-referrer");
    c.header("content-type", "text/html; charset=UTF-8");
    return c.body(bytes);
  });
  app.post("/login", async (c) => {
    const token = (await fields(c))["token"];
    if (guard.token === null || typeof token !== "string" || !sameSecret(token, guard.token)) {
      return c.json({ success: false, message: "That is not the token." }, 401);
    }
    c.header("set-cookie", `${tokenCookie(token)}; HttpOnly; SameSite=Strict; Path=/`);
    return c.json({ success: true, message: "" });
  });

  app.get("/api/state", (c) => {
    const state: ServerState = {
      state: master.state,
      run: master.run?.id ?? null,
      defaults: { ...defaults(master.options.target, master.options.timeout), ...form },
      targets: [master.options.target, ...master.options.allowedTargets],
      workers: master.options.workers().length,
      token: guard.token !== null && guard.exempt?.(addressOf(c)) !== true,
    };
    return c.json(state);
  });
  app.get("/api/events", (c) => {
    if (recorder.listeners >= maxListeners) return c.text("too many listeners", 503);
    c.header("x-accel-buffering", "no");
    // Nobody would ever end a stream that nobody reads.
    if (c.req.method === "HEAD") return c.body(null, 200, { "content-type": "text/event-stream" });
    return streamSSE(c, async (stream) => {
      // What comes while the past is being sent waits behind it.
      const queue: RunEvent[] = [...recorder.events];
      let wake = (): void => undefined;
      const unlisten = recorder.listen((event) => {
        if (queue.push(event) > maxBehind) stream.abort();
        wake();
      });
      stream.onAbort(() => {
        unlisten();
        queue.length = 0;
        wake();
      });
      try {
        while (!stream.aborted) {
          const event = queue.shift();
          if (event !== undefined) await stream.writeSSE({ data: JSON.stringify(event) });
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        unlisten();
      }
    });
  });

  app.post("/swarm", async (c) => {
    const form = await fields(c);
    const request = parseSwarm(form);
    const { load } = request;
    if (master.active) {
      if (load.kind !== "users" || load.stages.length > 1) {
        throw new Busy("While a run goes on, only its number of users and spawn rate can change.");
      }
      master.edit(load.stages[0]!.users, load.spawnRate);
      const reply: SwarmReply = { success: true, message: "Users are being changed", host: "" };
      return c.json(reply);
    }
    await master.start(request);
    const host = request.host ?? master.options.target;
    const reply: SwarmReply = { success: true, message: "Swarming started", host };
    return c.json(reply);
  });
  app.on(["GET", "POST"], "/stop", (c) => {
    const now = c.req.query("now") !== undefined;
    master.stop("stopped", now ? 0 : undefined);
    return c.json({ success: true, message: "Test stopped" });
  });
  app.on(["GET", "POST"], "/stats/reset", (c) => {
    master.reset();
    return c.text("ok");
  });

  app.get("/stats/requests", (c) => c.json(locust.statsRequests(recorder.view, master.state)));
  app.get("/exceptions", (c) => c.json(locust.exceptions(recorder.view)));
  app.get("/tasks", (c) => c.json(locust.tasks(recorder.view)));
  app.get("/logs", (c) => c.json(locust.logs(recorder.view)));
  app.get("/metrics", (c) => c.text(prometheusText(recorder.view)));

  // The present or last run, under Locust's names, and finished ones by their ids.
  const numbers = (view: RunView): Ended | null => view.ended ?? master.run?.numbers() ?? null;
  const present: Source = () => {
    const ended = numbers(recorder.view);
    // A report of a run that goes on shows it as far as it got.
    const events = [...recorder.events];
    if (recorder.view.ended === undefined && ended !== null) events.push(ended);
    return { view: recorder.view, events, numbers: ended };
  };
  serveNumbers(app, present, {
    requests: "/stats/requests/csv",
    history: "/stats/requests_full_history/csv",
    failures: "/stats/failures/csv",
    exceptions: "/exceptions/csv",
    json: "/stats/json",
    report: "/stats/report",
  });
  const kept: Source = (c) => {
    const id = c.req.param("id") ?? "";
    const view = runs.view(id);
    const events = view === null ? null : runs.events(id);
    return view === null || events === null ? null : { view, events, numbers: view.ended ?? null };
  };
  serveNumbers(app, kept, {
    requests: "/api/runs/:id/requests.csv",
    history: "/api/runs/:id/history.csv",
    failures: "/api/runs/:id/failures.csv",
    exceptions: "/api/runs/:id/exceptions.csv",
    json: "/api/runs/:id/stats.json",
    report: "/api/runs/:id/report",
  });

  app.get("/api/runs", (c) => c.json(runs.list()));
  app.get("/api/runs/:id", (c) => {
    const events = runs.events(c.req.param("id"));
    return events === null ? noSuchRun(c) : c.json(events);
  });
  app.delete("/api/runs/:id", (c) =>
    runs.remove(c.req.param("id")) ? c.json({ success: true, message: "" }) : noSuchRun(c),
  );
  app.get("/api/capacity", (c) => c.json(recorder.view.capacity ?? null));
  app.post("/api/capacity", (c) => {
    const search = toldSearch.safeParse(jsonObject(c));
    if (!search.success) throw new UserError(z.prettifyError(search.error));
    recorder.add({ type: "capacity", search: search.data });
    return c.json({ success: true, message: "" });
  });
  app.post("/api/runs", async (c) => {
    const run = await master.start(jsonObject(c) as unknown as RunRequest);
    return c.json({ success: true, message: "", run: run.id });
  });
  app.post("/api/runs/try", async (c) => {
    await master.prepare(jsonObject(c) as unknown as RunRequest);
    return c.json({ success: true, message: "" });
  });
  return app;
}

const statusOf = (error: UserError): 400 | 403 | 409 | 413 | 503 =>
  error instanceof Refused
    ? error.status
    : error instanceof Busy
      ? 409
      : error instanceof NotYet
        ? 503
        : 400;

const addressOf = (c: Context<Env>): string | undefined => c.env.incoming?.socket.remoteAddress;

type Source = (
  c: Context<Env>,
) => { view: RunView; events: readonly RunEvent[]; numbers: Ended | null } | null;

const noSuchRun = (c: Context<Env>): Response =>
  c.json({ success: false, message: "There is no such run." }, 404);

function serveNumbers(
  app: Hono<Env>,
  source: Source,
  paths: Record<"requests" | "history" | "failures" | "exceptions" | "json" | "report", string>,
): void {
  const csv = (path: string, name: string, text: (view: RunView) => string): void => {
    app.get(path, (c) => {
      const found = source(c);
      if (found === null) return noSuchRun(c);
      c.header("content-disposition", `attachment; filename="${name}_${stamp(found.view)}.csv"`);
      c.header("content-type", "text/csv; charset=utf-8");
      return c.body(text(found.view));
    });
  };
  csv(paths.requests, "requests", statsCsv);
  csv(paths.history, "requests_full_history", (view) => historyCsv(view, true));
  csv(paths.failures, "failures", (view) => failuresCsv(view.failures));
  csv(paths.exceptions, "exceptions", exceptionsCsv);
  app.get(paths.json, (c) => {
    const found = source(c);
    if (found === null) return noSuchRun(c);
    return c.json(found.numbers === null ? [] : statsJson(found.view, found.numbers));
  });
  app.get(paths.report, async (c) => {
    const found = source(c);
    if (found === null) return noSuchRun(c);
    if (c.req.query("download") !== undefined) {
      c.header("content-disposition", `attachment; filename="report_${stamp(found.view)}.html"`);
    }
    const { html, csp } = pageDocument(await pageAssets(), {
      kind: "report",
      events: found.events,
    });
    c.header("content-security-policy", csp);
    return c.html(html);
  });
}

const stamp = ({ started }: RunView): string =>
  new Date((started?.at ?? 0) * 1000).toISOString().slice(0, 19).replace(/[:T]/g, "-");

/** A body that is a JSON object. Throws UserError. */
function jsonObject(c: Context<Env>): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(c.var.body.toString("utf8"));
  } catch {
    // Said below.
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UserError("The body is not a JSON object.");
  }
  return value as Record<string, unknown>;
}

/** A body of form fields or JSON. Throws UserError. */
async function fields(c: Context<Env>): Promise<Record<string, unknown>> {
  const type = c.req.header("content-type") ?? "";
  if (type.includes("json")) return jsonObject(c);
  const body = new Uint8Array(c.var.body);
  try {
    return await parseBody(
      new Request(c.req.url, { method: "POST", headers: { "content-type": type }, body }),
    );
  } catch {
    throw new UserError("The body is not a form, though its content type says so.");
  }
}

const defaults = (host: string, timeout = usualTimeout): Required<SwarmForm> => ({
  user_count: "100",
  spawn_rate: "10",
  host,
  run_time: "",
  think_time: "1",
  rate: "",
  timeout: `${timeout}s`,
  warm_up: "",
  path: "/predict",
  threshold: "",
});
