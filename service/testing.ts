// What the tests of this folder share: a service in memory, without a port.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp, type App } from "./app.ts";
import { Budget } from "./budget.ts";
import type { Services } from "./exchange.ts";
import { createLogger } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { loadModel, type LoadedModel } from "./model/model.ts";
import { ModelSlot } from "./model/slot.ts";
import { makeServices } from "./services.ts";
import { parseSettings, type ServiceSettings } from "./settings.ts";
import { chooseSizing } from "./sizing.ts";

const ROOT = join(import.meta.dirname, "..");

/** One of the models in `test/models`, or the embedded `iris`. */
export const testModel = (name: string): LoadedModel =>
  loadModel(
    name === "iris" ? join(ROOT, "service/models/iris") : join(ROOT, "test/models", name),
    { name },
    { threads: 1 },
  );

/**
 * One of the models in `test/models` with an MLmodel of the test's own, and perhaps more files, all as
 * JSON; `inputs` and `outputs` are the sides of its signature.
 */
export function describedModel(
  name: string,
  description: { inputs?: unknown; outputs?: unknown; metadata?: unknown },
  files: Readonly<Record<string, unknown>> = {},
): LoadedModel {
  const folder = mkdtempSync(join(tmpdir(), "model-"));
  cpSync(join(ROOT, "test/models", name, "model.onnx"), join(folder, "model.onnx"));
  const { inputs, outputs, metadata } = description;
  const side = (given: unknown): string | null => (given ? JSON.stringify(given) : null);
  const mlmodel = { metadata, signature: { inputs: side(inputs), outputs: side(outputs) } };
  for (const [file, content] of Object.entries({ MLmodel: mlmodel, ...files }))
    writeFileSync(join(folder, file), JSON.stringify(content));
  try {
    return loadModel(folder, { name }, { threads: 1 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface PostReply {
  readonly status: number;
  readonly body: unknown;
  readonly response: Response;
}

export interface TestService {
  readonly app: App;
  readonly services: Services;
  /** Replies of `POST`, parsed. */
  readonly post: (path: string, body: unknown) => Promise<PostReply>;
}

/** A service with a model, or with none; `settings` as a file would have them. */
export function testService(
  model?: string | LoadedModel,
  settings: Partial<Record<keyof ServiceSettings, unknown>> = {},
): TestService {
  const parsed = parseSettings(settings);
  const limits = { cpus: 1, memoryBytes: undefined };
  const metrics = new Metrics(limits, chooseSizing(limits, 1));
  const slot = new ModelSlot({ ...parsed, observer: metrics });
  metrics.watch(slot);
  const log = createLogger("silent");
  const budget = new Budget(64 * 1024 ** 2);
  const services = makeServices({ slot, metrics, log, settings: parsed, budget });
  if (model !== undefined) slot.put(typeof model === "string" ? testModel(model) : model);
  const app = createApp(services);
  return {
    app,
    services,
    post: async (path, body) => {
      const response = await app.request(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body:
          typeof body === "string" || body instanceof Uint8Array
            ? (body as string)
            : JSON.stringify(body),
      });
      return { status: response.status, body: await response.clone().json(), response };
    },
  };
}
