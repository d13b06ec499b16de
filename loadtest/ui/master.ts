// The master's routes as the page calls them.
import type { RunSummary, ServerState, SwarmReply } from "../api.ts";
import type { RunEvent } from "../events.ts";

/** The master refused; its own words. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Throws Refused, whose status is 401 when a token is needed and 0 when nobody answers. */
async function call(path: string, init?: RequestInit): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(path, { ...init, headers: { accept: "application/json" } });
  } catch {
    throw new Refused(0, "The master does not answer. Is it still running?");
  }
  if (reply.ok) return reply;
  throw new Refused(reply.status, saidBy(await reply.text(), reply));
}

function saidBy(text: string, reply: Response): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // Not JSON: shown as it is.
  }
  return text.trim() === "" ? `${reply.status} ${reply.statusText}` : text.slice(0, 300);
}

async function succeed(reply: Response): Promise<void> {
  const { success, message } = (await reply.json()) as SwarmReply;
  if (!success) throw new Refused(reply.status, message);
}

export const master = {
  state: async (): Promise<ServerState> => (await (await call("/api/state")).json()) as ServerState,
  swarm: async (body: URLSearchParams): Promise<void> => {
    await succeed(await call("/swarm", { method: "POST", body }));
  },
  stop: async (now: boolean): Promise<void> => {
    await succeed(await call(now ? "/stop?now" : "/stop", { method: "POST" }));
  },
  reset: async (): Promise<void> => {
    await call("/stats/reset", { method: "POST" });
  },
  login: async (token: string): Promise<void> => {
    await call("/login", { method: "POST", body: new URLSearchParams({ token }) });
  },
  runs: async (): Promise<RunSummary[]> => (await (await call("/api/runs")).json()) as RunSummary[],
  run: async (id: string): Promise<RunEvent[]> =>
    (await (await call(`/api/runs/${encodeURIComponent(id)}`)).json()) as RunEvent[],
  forget: async (id: string): Promise<void> => {
    await call(`/api/runs/${encodeURIComponent(id)}`, { method: "DELETE" });
  },
};
