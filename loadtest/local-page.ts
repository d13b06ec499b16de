// A local run with a page beside it, as Locust has one without --headless: it starts at once or when
// somebody says so there, and more runs may follow until the command is told to end.
import { randomBytes } from "node:crypto";
import { Console, onInterrupt } from "./console.ts";
import type { Flags } from "./flags.ts";
import { Master } from "./master.ts";
import { createApp } from "./server/app.ts";
import { pageServer } from "./server/listen.ts";
import { RunStore } from "./server/runs.ts";
import { UserError } from "./units.ts";
import { localWorkers } from "./workers/local.ts";

type PageFlags = Flags & { page: NonNullable<Flags["page"]> };

const isLoopback = (host: string): boolean => /^(localhost|127\.|::1$)/.test(host);

const nameOf = ({ address }: { address: string }): string =>
  address.includes(":") ? `[${address}]` : address;

/**
 * Serves the page until it is told to end; the status to exit with, which is the last run's.
 * @param target origin that is loaded
 * @param engines processes that send
 * @param main the program that, called with `engine`, is one of them
 */
export async function runWithPage(
  { request, outputs, page, autoquit, form }: PageFlags,
  target: string,
  engines: number,
  main: string,
): Promise<number> {
  const log = (text: string): void => {
    console.error(text);
  };
  const workers = localWorkers(
    engines,
    main,
    (id, report) => {
      master.reported(id, report);
    },
    (id) => {
      master.lost(id);
    },
  );
  const master = new Master({
    target,
    allowedTargets: [],
    stack: null,
    scenario: request.scenario,
    ownRows: request.rows,
    runs: new RunStore(null, log),
    scraper: null,
    workers: () => workers.ports,
    rows: () =>
      workers.ports.map(({ id }) => ({
        id,
        state: "ready",
        users: 0,
        cpu: 0,
        lagMs: 0,
        memory: process.memoryUsage.rss(),
      })),
    log: () => undefined,
  });
  const token = isLoopback(page.host) ? null : randomBytes(18).toString("base64url");
  const app = createApp({
    master,
    driveKey: randomBytes(18).toString("base64url"),
    token,
    form: { ...form, host: target },
  });
  const server = pageServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen({ host: page.host, port: page.port }, resolve);
  }).catch((error: unknown) => {
    throw new UserError(
      `The page cannot be on ${page.host}:${page.port} (${(error as Error).message}); give another --web-host or --web-port.`,
    );
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : page.port;
  log(
    `the page is on http://${nameOf({ address: page.host })}:${port}${token === null ? "" : `; its token is ${token}`}`,
  );

  const terminal = new Console(outputs);
  let status = 0;
  let end = (): void => undefined;
  const told = new Promise<void>((resolve) => (end = resolve));
  let ending = false;
  master.recorder.listen((event) => {
    terminal.show(event);
    if (event.type !== "ended") return;
    void terminal.close().then((code) => {
      status = code;
      if (ending) end();
      else if (page.autostart && autoquit !== null) setTimeout(end, autoquit * 1000);
    });
  });
  const interrupted = (graceMs?: number): void => {
    ending = true;
    if (master.active) master.stop("interrupted", graceMs);
    else end();
  };
  const restore = onInterrupt(interrupted, () => {
    interrupted(0);
  });
  try {
    if (page.autostart) await master.start(request);
    await told;
  } finally {
    restore();
    master.close();
    workers.close();
    server.close();
    server.closeAllConnections();
  }
  return status;
}
