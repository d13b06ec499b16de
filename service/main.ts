import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createApp } from "./app.ts";
import { Budget } from "./budget.ts";
import { readLimits } from "./limits.ts";
import { createLogger } from "./log.ts";
import { createMetricsServer } from "./metrics-server.ts";
import { Metrics } from "./metrics.ts";
import { followRegistry } from "./model/follow.ts";
import { ModelError } from "./model/fault.ts";
import { Installer, type Candidate } from "./model/installer.ts";
import { ModelSlot } from "./model/slot.ts";
import { checkFits, modelOnTrial, tryModel } from "./model/trial.ts";
import { watchMetrics } from "./model/watch-metrics.ts";
import type { Watcher } from "./model/watch.ts";
import { pacer } from "./pace.ts";
import { drain, HttpServer } from "./server.ts";
import { makeServices } from "./services.ts";
import { EMBEDDED, readSettings, SettingsError } from "./settings.ts";
import { BYTES_PER_BYTE, chooseSizing } from "./sizing.ts";
import { joinTeam } from "./workers/join.ts";
import { leadTeam } from "./workers/lead.ts";
import type { Team } from "./workers/team.ts";
import { isWorker } from "./workers/worker.ts";

const HELP = `Serves an ONNX model over HTTP.

  node service/main.ts [--settings FILE]

Settings come from the JSON file and from the environment, which wins: PORT, HOST, MODEL_FILE,
METRICS_PORT, DEADLINE, MAX_BODY, LOG_LEVEL, … With MLFLOW_URL the registered MODEL is served, and followed when
its MODEL_ALIAS moves. Without it and MODEL_FILE the embedded iris model is served; in an image it
has to be asked for, with MODEL_FILE=embedded.
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

const cannotListen = (host: string, port: number) => (error: Error) => {
  process.stderr.write(`The service cannot listen on ${host}:${port}: ${error.message}.\n`);
  process.exit(1);
};

async function start(): Promise<void> {
  const settings = readSettings(settingsPath(), process.env);
  const limits = readLimits();
  const sizing = chooseSizing(limits, availableParallelism());
  const log = createLogger(settings.logLevel);
  const metrics = new Metrics(limits, sizing, settings.image);
  const slot = new ModelSlot({
    ...settings,
    observer: metrics,
    idle: settings.batching ? pacer(limits.cpus) : undefined,
  });
  metrics.watch(slot);
  const follows = settings.mlflowUrl !== "" && settings.modelFile === "";
  const installer = new Installer(slot, { ...settings, ...sizing });
  const options = { registry: metrics.registry, installer, log };
  const lead = isWorker() ? undefined : leadTeam(options);
  const team: Team = lead ?? joinTeam(options, stop);
  let watcher: Watcher | undefined;
  const budget = new Budget(
    sizing.outsideBytes,
    Math.max(sizing.requestBytes, settings.maxBody * BYTES_PER_BYTE),
  );
  const registry = follows ? () => team.status() : undefined;
  const services = makeServices({ slot, metrics, log, settings, budget, registry });
  const { state } = services;
  log.info({ limits, sizing }, "resources");

  const server = new HttpServer(createApp(services), services, { ...settings, ...sizing });
  server.on("error", cannotListen(settings.host, settings.port));
  function stop(): void {
    if (state.draining) return;
    log.info("shutting down");
    const watched = watcher?.stop() ?? Promise.resolve();
    const ended = [drain(server, state, settings), team.stop(), watched];
    void Promise.all(ended).then(() => process.exit(0));
  }
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  if (lead && follows) {
    const install = async (candidate: Candidate): Promise<void> => {
      await checkFits(candidate.path, limits, sizing.workers, slot.current !== undefined);
      await lead.install(candidate);
    };
    watcher = followRegistry({ settings, install, onStatus: lead.tell, log });
    watchMetrics(metrics.registry, watcher.status);
  } else if (lead) {
    const { modelFile } = settings;
    const embedded = modelFile === "" || modelFile === EMBEDDED;
    const path = embedded ? join(import.meta.dirname, "models/iris") : modelFile;
    await lead.install({ path, loadedAt: new Date().toISOString() });
  }
  if (lead && settings.metricsPort !== 0) {
    // It answers for all processes, until the last moment.
    createMetricsServer(lead.exposition, metrics.registry.contentType)
      .on("error", cannotListen(settings.host, settings.metricsPort))
      .listen(settings.metricsPort, settings.host);
  }
  await team.welcomed;
  server.listen({ ...settings, backlog: 4096, reusePort: sizing.workers > 1 }, () => {
    const { port } = server.address() as AddressInfo;
    log.info({ ...settings, port }, "listening");
    lead?.start(sizing.workers, port);
  });
}

try {
  const onTrial = modelOnTrial();
  if (onTrial === undefined) await start();
  else tryModel(onTrial, chooseSizing(readLimits(), availableParallelism()));
} catch (error) {
  const usage = error instanceof TypeError && "code" in error;
  if (!(error instanceof SettingsError || error instanceof ModelError || usage)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
