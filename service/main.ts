import { join } from "node:path";
import { parseArgs } from "node:util";
import { createAdaptorServer } from "@hono/node-server";
import type { Server } from "node:http";
import { createApp, type AppState } from "./app.ts";
import { loadModel } from "./model/load.ts";
import { readSettings, SettingsError } from "./settings.ts";

const { values } = parseArgs({ options: { settings: { type: "string" } } });

try {
  const settings = readSettings(values.settings, process.env);
  const state: AppState = { model: undefined, draining: false };
  const server = createAdaptorServer({ fetch: createApp(state).fetch }) as Server;
  server.listen(settings.port, settings.host);
  state.model = await loadModel(settings.modelFile || join(import.meta.dirname, "models/iris"));

  const stop = (): void => {
    if (state.draining) return;
    state.draining = true;
    setTimeout(() => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    }, settings.drainDelay);
    setTimeout(() => process.exit(1), settings.grace).unref();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
