// The way into a stack for its own command: started inside the master's container, it hands a run
// to the master, passes its events out as lines of JSON, and passes stops in.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { RunEvent } from "./events.ts";
import type { Settings } from "./settings.ts";
import { UserError } from "./units.ts";

/** Lines that go in: first what to run, then perhaps one or two stops; or what to try, and nothing more. */
export type DriveInput = { run: unknown } | { try: unknown } | { stop: "gently" | "now" };
/**
 * Lines that come out: what happens in a run, that it was tried and would start, or why it does not; `notYet`
 * where that may only be so for now.
 */
export type DriveOutput =
  { event: RunEvent } | { tried: "taken" } | { refused: string; notYet?: true };

/** What shows the master that a request comes from a holder of the shared secret. */
export const driveKeyOf = (secret: string): string =>
  createHmac("sha256", secret).update("drive").digest("base64url");

export const readSecret = (file: string): string => readFileSync(file, "utf8").trim();

/** Where the master of this container is, and what it lets its own command in by. */
function masterOf(settings: Settings): { base: string; headers: Record<string, string> } {
  const { listen, secretFile, tokenFile } = settings;
  return {
    base: `http://127.0.0.1:${listen.port}`,
    headers: {
      "content-type": "application/json",
      "x-drive-key": driveKeyOf(readSecret(secretFile)),
      ...(tokenFile === undefined ? {} : { authorization: `Bearer ${readSecret(tokenFile)}` }),
    },
  };
}

/** Hands a capacity search, as it stands, from standard input to the master. */
export async function tell(settings: Settings): Promise<void> {
  const { base, headers } = masterOf(settings);
  const body = await text(process.stdin);
  const reply = await fetch(`${base}/api/capacity`, { method: "POST", headers, body });
  if (!reply.ok) throw new UserError(`the master answered ${reply.status}: ${await reply.text()}`);
}

export async function drive(settings: Settings): Promise<void> {
  const { base, headers } = masterOf(settings);
  const say = (line: DriveOutput): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const stop = (how: "gently" | "now"): Promise<unknown> =>
    fetch(`${base}/stop${how === "now" ? "?now" : ""}`, { method: "POST", headers });

  const input = createInterface({ input: process.stdin });
  const lines = input[Symbol.asyncIterator]();
  const first = await lines.next();
  // Passed on as it came: people's own rows are many megabytes.
  const [, what, run] = /^\{"(run|try)":(.*)\}$/s.exec(String(first.value)) ?? [];
  const started = await fetch(`${base}/api/runs${what === "try" ? "/try" : ""}`, {
    method: "POST",
    headers,
    body: run ?? "",
    signal: AbortSignal.timeout(600_000),
  });
  if (!started.ok) {
    const { message } = (await started.json().catch(() => ({ message: null }))) as {
      message: string | null;
    };
    const refused = message ?? `the master answered ${started.status}`;
    say({ refused, ...(started.status === 503 ? { notYet: true } : {}) });
    input.close();
    return;
  }
  if (what === "try") {
    say({ tried: "taken" });
    input.close();
    return;
  }
  const { run: id } = (await started.json()) as { run: string };

  const end = new AbortController();
  void (async () => {
    for await (const line of { [Symbol.asyncIterator]: () => lines }) {
      await stop((JSON.parse(line) as { stop: "gently" | "now" }).stop);
    }
    // Whoever asked for this run is gone.
    if (!end.signal.aborted) await stop("gently");
  })();

  let current = false;
  for await (const event of readEvents(`${base}/api/events`, headers)) {
    if (event.type === "started") current = event.run === id;
    if (!current) continue;
    say({ event });
    if (event.type === "ended") break;
  }
  end.abort();
  input.close();
}

async function* readEvents(url: string, headers: Record<string, string>): AsyncGenerator<RunEvent> {
  const reply = await fetch(url, { headers });
  if (reply.body === null) return;
  let rest = "";
  for await (const part of reply.body.pipeThrough(new TextDecoderStream())) {
    rest += part;
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      if (block.startsWith("data: ")) yield JSON.parse(block.slice(6)) as RunEvent;
    }
  }
}
