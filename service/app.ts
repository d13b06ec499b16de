import { Hono } from "hono";
import type { LoadedModel } from "./model/load.ts";

export interface AppState {
  model: LoadedModel | undefined;
  draining: boolean;
}

const problem = (status: number, title: string, detail?: string): Response =>
  new Response(JSON.stringify({ type: "about:blank", title, status, detail }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });

/** The routes of the service, without a port: `app.request()` is enough to test them. */
export function createApp(state: AppState): Hono {
  const app = new Hono();
  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", (c) => {
    if (state.draining) return problem(503, "Shutting down");
    return state.model ? c.json({ status: "ready" }) : problem(503, "No model is loaded");
  });
  app.post("/predict", async (c) => {
    if (!state.model) return problem(503, "No model is loaded");
    let body: unknown;
    try {
      body = await c.req.json();
    } catch {
      return problem(400, "Malformed JSON");
    }
    const rows = Array.isArray(body) ? (body as unknown[]) : [body];
    const { features } = state.model;
    const errors = rows.flatMap((row) => invalidFields(row, features));
    if (rows.length === 0) errors.push("at least one row is needed");
    if (errors.length > 0) return problem(422, "Invalid input", errors.join("; "));
    const predictions = await state.model.predict(rows as Record<string, number>[]);
    return c.json(Array.isArray(body) ? predictions : predictions[0]);
  });
  app.notFound(() => problem(404, "Not found"));
  app.onError(() => problem(500, "Internal error"));
  return app;
}

function invalidFields(row: unknown, features: readonly string[]): string[] {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return ["a row is an object"];
  const unknown = Object.keys(row).filter((key) => !features.includes(key));
  const wrong = features.filter((name) => typeof Reflect.get(row, name) !== "number");
  return [
    ...unknown.map((key) => `${key} is unknown`),
    ...wrong.map((name) => `${name} must be a number`),
  ];
}
