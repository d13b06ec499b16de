import { Gauge, type Registry } from "prom-client";
import type { WatchStatus } from "./watch.ts";

/** Shows in `registry` what a watcher's `status` says. */
export function watchMetrics(registry: Registry, status: () => WatchStatus): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    const metric: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => {
        metric.set(value());
      },
    });
  };
  gauge(
    "model_registry_failures",
    "Looks at the registry that failed since the last good one.",
    () => status().check?.failures ?? 0,
  );
  gauge("model_from_cache", "1 while the registry has not confirmed the model that serves.", () =>
    status().origin === "cache" ? 1 : 0,
  );
  gauge("model_swaps", "Models that were replaced by another since the start.", () =>
    Math.max(0, status().history.length - 1),
  );
  gauge("model_refused", "1 while the version that the registry points at is refused.", () =>
    status().refused ? 1 : 0,
  );
}
