// The service with another protocol towards its gateway: its model, its batches, its metrics.
import { createServer, type Socket } from "node:net";
import { createApp, type App } from "../../service/app.ts";
import { Budget } from "../../service/budget.ts";
import type { Services } from "../../service/exchange.ts";
import { readLimits } from "../../service/limits.ts";
import { createLogger } from "../../service/log.ts";
import { Metrics } from "../../service/metrics.ts";
import { loadModel } from "../../service/model/model.ts";
import { ModelSlot } from "../../service/model/slot.ts";
import { pacer } from "../../service/pace.ts";
import { HttpServer } from "../../service/server.ts";
import { makeServices } from "../../service/services.ts";
import { readSettings } from "../../service/settings.ts";
import { chooseSizing } from "../../service/sizing.ts";

/** Takes a connection of the protocol, with what has been read of it. */
export type Speak = (socket: Socket, first: Buffer) => void;

/**
 * Listens as the service does. What begins with `mark` is the other protocol; anything else, the
 * gateway's checks among it, is the service's own HTTP.
 */
export function serveInstead(
  mark: string,
  protocol: (app: App, services: Services) => Speak,
): void {
  const settings = readSettings(undefined, process.env);
  const limits = readLimits();
  const sizing = chooseSizing(limits, 1);
  const log = createLogger(settings.logLevel);
  const metrics = new Metrics(limits, sizing, settings.image);
  const slot = new ModelSlot({ ...settings, observer: metrics, idle: pacer(limits.cpus) });
  metrics.watch(slot);
  slot.put(loadModel("/app/models/iris", { name: "iris" }, { threads: sizing.threads }));
  const budget = new Budget(sizing.outsideBytes);
  const services = makeServices({ slot, metrics, log, settings, budget });
  process.on("SIGTERM", () => process.exit(0));
  const app = createApp(services);
  const http = new HttpServer(app, services, { ...settings, ...sizing });
  const speak = protocol(app, services);
  createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (first) => {
      if (first.toString("latin1", 0, mark.length) === mark) {
        speak(socket, first);
        return;
      }
      socket.unshift(first);
      http.emit("connection", socket);
    });
  }).listen({ port: settings.port, host: settings.host, backlog: 4096 });
}
