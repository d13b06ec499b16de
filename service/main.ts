import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createApp } from "./app.ts";
import type { Services } from "./exchange.ts";
import { readLimits } from "./limits.ts";
import { AccessLog, createLogger } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { followRegistry } from "./model/follow.ts";
import { loadModel, ModelError } from "./model/model.ts";
import { ModelSlot } from "./model/slot.ts";
import { watchMetrics } from "./model/watch-metrics.ts";
import { createHttpServer, drain } from "./server.ts";
import { readSettings, SettingsError } from "./settings.ts";
import { chooseSizing } from "./sizing.ts";
import { isWorker, joinTeam, leadTeam, type Team } from "./workers.ts";

const HELP = `Serves an ONNX model over HTTP.

  node service/main.ts [--settings FILE]

Settings come from the JSON file and from the environment, which wins: PORT, HOST, MODEL_FILE,
DEADLINE, MAX_BODY, LOG_LEVEL, … With MLFLOW_URL the registered MODEL is served, and followed when
its MODEL_ALIAS moves. Without it and MODEL_FILE the embedded iris model is served.
`;

function settingsPath(): string | undefined {
  const { values } = parseArgs({
    options: { settings: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  return values.settings;
}

function start(): void {
  const settings = readSettings(settingsPath(), process.env);
  const limits = readLimits();
  const sizing = chooseSizing(limits, availableParallelism());
  const log = createLogger(settings.logLevel);
  const metrics = new Metrics(limits, sizing);
  const slot = new ModelSlot({ ...settings, observer: metrics });
  metrics.watch(slot);
  const watcher =
    settings.mlflowUrl === "" || settings.modelFile !== ""
      ? undefined
      : followRegistry({ settings, slot, sizing, log });
  const state = { draining: false, closing: false };
  let team: Team | undefined;
  const services: Services = {
    slot,
    metrics,
    exposition: () => team?.exposition() ?? metrics.registry.metrics(),
    log,
    access: new AccessLog(log),
    maxBody: settings.maxBody,
    maxRows: settings.maxRows,
    state,
    registry: watcher?.status,
  };
  log.info({ limits, sizing }, "resources");

  const embedded = join(import.meta.dirname, "models/iris");
  if (watcher) watchMetrics(metrics.registry, watcher.status);
  else slot.put(loadModel(settings.modelFile || embedded, {}, sizing));
  const server = createHttpServer(createApp(services), services, { ...settings, ...sizing });
  server.on("error", (error) => {
    process.stderr.write(
      `The service cannot listen on ${settings.host}:${settings.port}: ${error.message}.\n`,
    );
    process.exit(1);
  });
  const stop = (): void => {
    if (state.draining) return;
    log.info("shutting down");
    const ended: Promise<unknown>[] = [drain(server, state, settings)];
    for (const companion of [team, watcher]) if (companion) ended.push(companion.stop());
    void Promise.all(ended).then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  const several = sizing.workers > 1;
  server.listen({ ...settings, backlog: 4096, reusePort: several }, () => {
    const { port } = server.address() as AddressInfo;
    log.info({ ...settings, port }, "listening");
    if (isWorker()) team = joinTeam(metrics.registry, stop);
    else if (several) team = leadTeam(sizing.workers, port, metrics.registry, log);
  });
}

try {
  start();
} catch (error) {
  const usage = error instanceof TypeError && "code" in error;
  if (!(error instanceof SettingsError || error instanceof ModelError || usage)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
