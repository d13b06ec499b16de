import { join } from "node:path";
import { parseArgs } from "node:util";
import { createLogger } from "../log.ts";
import { registrySettings } from "../model/follow.ts";
import type { ModelVersion } from "../model/mlflow.ts";
import { reasonOf } from "../model/registry-error.ts";
import { openRegistry } from "../model/registry.ts";
import { createStore, type StoredModel } from "../model/store.ts";
import { modelOnTrial, tryModel, tryOut } from "../model/trial.ts";
import { type Refusal, type WatchEvent, type WatchStatus, watchModel } from "../model/watch.ts";
import { readSettings, SettingsError } from "../settings.ts";
import { type Catalogue, offering } from "./catalogue.ts";
import { kept, servable } from "./conversions.ts";
import { Exchange } from "./exchange.ts";
import { register } from "./register.ts";
import { createConverterServer } from "./server.ts";

const HELP = `Stands before an MLflow and has ONNX made of what its registered model points at.

  node service/converter/main.ts --recipe NAME [--exchange FOLDER] [--limit SECONDS] [--register] [--settings FILE]

Replicas ask it as they would ask MLflow. Settings are the service's; FOLDER is shared with the
unpickler, which converts one model in at most SECONDS; NAME stands for how it converts. With
--register what was made is also registered in that MLflow, beside the original.
`;

async function start(): Promise<void> {
  const { values } = parseArgs({
    options: {
      settings: { type: "string" },
      exchange: { type: "string", default: "/exchange" },
      recipe: { type: "string", default: "" },
      limit: { type: "string", default: "50" },
      register: { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const settings = readSettings(values.settings, process.env);
  const log = createLogger(settings.logLevel);
  const registry = { ...registrySettings(settings), anyFlavor: true };
  const { reference, cacheDirectory } = registry;
  const store = createStore({
    directory: join(cacheDirectory, "converted"),
    maxBytes: settings.maxModel,
    stallTimeoutMs: 10_000,
  });
  const exchange = new Exchange({
    folder: values.exchange,
    limitMs: Number(values.limit) * 1000,
    mostMs: Number(values.limit) * 1000 * BUSY,
    recall: () => store.recall("life"),
    note: (life) => store.note("life", life),
  });

  let catalogue: Catalogue = {
    reference,
    offer: undefined,
    refused: undefined,
    waiting: `what ${reference.name} points at has not been read from MLflow yet`,
    folders: new Map(),
  };
  const source = openRegistry(registry);
  const parts = { store, exchange, recipe: values.recipe, tryOut };
  const see = ({ refused, check }: WatchStatus): void => {
    if (catalogue.offer === undefined && refused !== undefined && check !== undefined) {
      process.stderr.write(`${epitaph(reference.name, refused.version, refused.reason)}\n`);
      process.exit(2);
    }
    const waiting = check?.reason ?? catalogue.waiting;
    catalogue = { ...catalogue, waiting, refused: refused && told(refused) };
  };
  /** Beside what is served: that it fails changes nothing there, and a restart tries it again. */
  const registered = (version: ModelVersion, model: StoredModel): void => {
    const s3 = registry.s3 && { ...registry.s3, replyTimeoutMs: 10_000 };
    register({ ...registry, s3 }, version, model).then(
      (number) => {
        log.info({ version: version.version, registered: number }, "what was made is registered");
      },
      (error: unknown) => {
        log.error({ reason: reasonOf(error) }, "what was made could not be registered");
      },
    );
  };
  // What was offered last is at once: what is pointed at now may take a while, or be refused.
  const last = await source.last().catch((error: unknown) => {
    log.warn({ reason: reasonOf(error) }, "what was offered last cannot be read");
    return undefined;
  });
  const model = last && (await kept(last.model, parts).catch(() => undefined));
  if (last && model) catalogue = offering(catalogue, { version: last.version, model });
  createConverterServer(() => catalogue).listen(settings.port, settings.host);
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
  watchModel({
    source,
    intervalMs: settings.registryInterval,
    onStatus: see,
    async install(original, version) {
      const { version: number } = version;
      catalogue = { ...catalogue, waiting: `version ${number} of ${reference.name} is converted` };
      const model = await servable(original, parts, new AbortController().signal);
      catalogue = offering(catalogue, { version, model });
      if (values.register && model.digest !== original.digest) registered(version, model);
    },
    on(event) {
      // The last words are a sentence of their own.
      if (event.kind !== "refused") log.info(event, MESSAGE[event.kind]);
      else if (catalogue.offer !== undefined) log.error(event, MESSAGE.refused);
    },
  });
}

/** How many times slower a machine may be that is busy with other things. */
const BUSY = 5;

const MESSAGE: Record<WatchEvent["kind"], string> = {
  promoted: "another version is offered",
  refused: "a version was refused",
  failed: "the registry gave no model",
};

const told = ({ version, reason }: Refusal) => ({ version, reason });

/** Why nothing is served at all, and what to do: a line each, as whoever shows them has short ones. */
const epitaph = (name: string, version: string, reason: string): string =>
  `version ${version} of the registered model ${name} cannot be served: ${reason.slice(0, 200).replace(/\.$/, "")}.\n` +
  "Point to another version there, or have this one published with rows to check it on: " +
  `npm run model -- publish models:/${name}/${version} --sample rows.csv`;

try {
  const onTrial = modelOnTrial();
  if (onTrial === undefined) await start();
  else tryModel(onTrial, { threads: 1 });
} catch (error) {
  const usage = error instanceof TypeError && "code" in error;
  if (!(error instanceof SettingsError || usage)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
