// The load test's one program: `run` on this machine; `master`, `worker`, `drive` and `tell` in a stack.
import { randomUUID } from "node:crypto";
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { Console, onInterrupt } from "./console.ts";
import { drive, driveKeyOf, readSecret, tell } from "./drive.ts";
import { exitHelp, flagHelp, pageHelp, parseFlags } from "./flags.ts";
import { runWithPage } from "./local-page.ts";
import { Master } from "./master.ts";
import { Run } from "./run.ts";
import { prepare } from "./scenario/prepare.ts";
import { readOwnRows } from "./scenario/rows.ts";
import { createApp } from "./server/app.ts";
import { isFromHost } from "./server/from-host.ts";
import { pageServer } from "./server/listen.ts";
import { RunStore } from "./server/runs.ts";
import { Scraper } from "./server/scrape.ts";
import { readSettings, type Settings } from "./settings.ts";
import { UserError } from "./units.ts";
import { givenCores } from "./workers/cores.ts";
import { localWorkers, runEngineProcess } from "./workers/local.ts";
import { WorkerPool } from "./workers/pool.ts";
import { work } from "./workers/worker.ts";

const help = `Usage: main.ts run -H URL [flags]     a run from this machine, without a stack
       main.ts master --settings FILE   the master of a stack: its page, its workers
       main.ts worker --settings FILE   one of its workers

${flagHelp}
      --processes N        engine processes of \`run\` (1); -1 is one for each core
${pageHelp}
  -h, --help

${exitHelp}`;

const self = process.argv[1]!;
const log = (text: string): void => {
  console.error(`${new Date().toISOString()} ${text}`);
};

async function run(args: string[]): Promise<number> {
  const flags = parseFlags(args);
  const { request, outputs, processes, file, data, page, help: wanted } = flags;
  if (wanted) {
    console.log(help);
    return 0;
  }
  const { host } = request;
  if (host === null) throw new UserError("No host to load; give --host URL.");
  if (file !== null) {
    const { readScenario } = await import("./scenario/file.ts");
    request.scenario = await readScenario(file);
  }
  if (data !== null) request.rows = readOwnRows(data);
  const count = processes === -1 ? givenCores() : Math.max(1, processes);
  if (page !== null) return runWithPage({ ...flags, page }, host, count, self);
  const scenario = await prepare(request, host);
  const terminal = new Console(outputs);
  const theRun = new Run({
    id: randomUUID(),
    host,
    request,
    scenario: scenario.data,
    scenarioName: scenario.name,
    stack: null,
    emit: (event) => {
      terminal.show(event);
    },
  });
  const workers = localWorkers(
    count,
    self,
    (id, report) => {
      theRun.reported(id, report);
    },
    (id) => {
      theRun.lost(id);
    },
  );
  const restore = onInterrupt(
    () => {
      theRun.stop("interrupted");
    },
    () => {
      theRun.stop("interrupted", 0);
    },
  );
  theRun.start(workers.ports);
  await theRun.done;
  workers.close();
  const code = await terminal.close();
  restore();
  return code;
}

/** Runs until SIGTERM or SIGINT. */
async function master(settings: Settings): Promise<void> {
  const secret = readSecret(settings.secretFile);
  const token = settings.tokenFile === undefined ? null : readSecret(settings.tokenFile);
  const scraper = settings.scrape === undefined ? null : new Scraper(settings.scrape);
  const { host, port, workerPort } = settings.listen;
  const pool = new WorkerPool({
    secret,
    host,
    port: workerPort,
    joined: (worker) => {
      theMaster.joined(worker);
    },
    lost: (id) => {
      theMaster.lost(id);
    },
    reported: (id, report) => {
      theMaster.reported(id, report);
    },
    log,
  });
  const theMaster = new Master({
    target: new URL(settings.target).origin,
    allowedTargets: settings.allowedTargets,
    stack: settings.stack ?? null,
    timeout: settings.timeout,
    runs: new RunStore(settings.runsDir ?? null, log),
    scraper,
    workers: () => pool.workers,
    rows: () => pool.rows(),
    log,
  });
  const app = createApp({
    master: theMaster,
    driveKey: driveKeyOf(secret),
    token,
    ...(settings.tokenFor === "containers" ? { exempt: isFromHost } : {}),
  });
  await pool.listen().catch(portInUse);
  const server = pageServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen({ host, port }, resolve);
  }).catch(portInUse);
  log(`page on ${port}, workers join on ${workerPort}, the target is ${settings.target}`);
  await ended();
  theMaster.stop("the master was stopped", 3000);
  if (theMaster.active) await theMaster.run?.done;
  theMaster.close();
  pool.close();
  server.close();
  process.exit(0);
}

function portInUse(error: NodeJS.ErrnoException & { address?: string; port?: number }): never {
  throw new UserError(
    `The master cannot listen on ${error.address ?? "?"}:${error.port ?? "?"} (${error.code ?? error.message}); give another port under "listen".`,
  );
}

async function worker(settings: Settings): Promise<void> {
  const { masterAddress, secretFile } = settings;
  if (masterAddress === undefined) {
    throw new UserError(
      "The settings of a worker name its master: masterAddress, such as loadtest:5557.",
    );
  }
  // One engine is one thread: further cores are used by further processes, each a worker of its own.
  const siblings = (settings.processes ?? givenCores()) - 1;
  if (process.send === undefined) {
    for (let i = 0; i < siblings; i += 1) fork(self, process.argv.slice(2));
  }
  const end = new AbortController();
  void ended().then(() => {
    end.abort();
  });
  await work({ master: masterAddress, secret: readSecret(secretFile), log, signal: end.signal });
  process.exit(0);
}

const ended = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "disconnect"])
      process.once(signal, () => {
        resolve();
      });
  });

function settingsOf(args: string[]): Settings {
  const { values } = parseArgs({ args, options: { settings: { type: "string" } } });
  if (values.settings === undefined) throw new UserError("Give the settings: --settings FILE.");
  return readSettings(values.settings);
}

const [command = "", ...args] = process.argv.slice(2);
try {
  switch (command) {
    case "run":
      process.exitCode = await run(args);
      break;
    case "master":
      await master(settingsOf(args));
      break;
    case "worker":
      await worker(settingsOf(args));
      break;
    case "drive":
      await drive(settingsOf(args));
      break;
    case "tell":
      await tell(settingsOf(args));
      break;
    case "engine":
      runEngineProcess();
      break;
    default:
      console.log(help);
      process.exitCode = command === "--help" || command === "-h" ? 0 : 2;
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
