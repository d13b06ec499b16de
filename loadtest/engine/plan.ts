// A scenario made ready to be sent: requests as bytes, checks, weights. Plain data crosses from
// the master to its workers; a plan is what a worker makes of it.
import type { Reply, Request, ThinkTime } from "../scenario/scenario.ts";

/** A scenario as it crosses the network: no functions but in `code`, which only a worker runs. */
export type ScenarioData =
  | { kind: "requests"; thinkTime: ThinkTime; tasks: RequestsTask[] }
  | { kind: "code"; thinkTime: ThinkTime | null; code: string; data: Record<string, unknown[]> };

/** A task whose requests are one of several, taken in turn from a random start. */
export interface RequestsTask {
  name: string;
  weight: number;
  method: string;
  path: string;
  headers: Record<string, string>;
  bodies: string[];
}

/** One task, ready to run. */
export interface PlannedTask {
  name: string;
  method: string;
  weight: number;
  /** The next request's bytes for this user. May throw what the scenario's author wrote wrong. */
  next: (user: number, iteration: number) => Buffer;
  check: ((reply: Reply) => string | undefined) | undefined;
}

export interface Plan {
  thinkTime: ThinkTime;
  tasks: PlannedTask[];
}

/** The bytes of one HTTP/1.1 request. `host` is the Host header's value. */
export function encodeRequest(request: Request, host: string): Buffer {
  const method = request.method ?? (request.body === undefined ? "GET" : "POST");
  const json = request.body !== undefined && typeof request.body !== "string";
  const body =
    request.body === undefined
      ? undefined
      : Buffer.from(json ? JSON.stringify(request.body) : (request.body as string));
  const headers = new Map<string, string>([
    ["host", host],
    ["user-agent", "inference-stack-loadtest"],
  ]);
  if (json) headers.set("content-type", "application/json");
  for (const [name, value] of Object.entries(request.headers ?? {}))
    headers.set(name.toLowerCase(), value);
  if (body !== undefined) headers.set("content-length", String(body.length));
  let head = `${method} ${request.path} HTTP/1.1\r\n`;
  for (const [name, value] of headers) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[\r\n\0]/.test(value))
      throw new Error(`bad header "${name}"`);
    head += `${name}: ${value}\r\n`;
  }
  if (/[\s\0]/.test(request.path) || !/^[A-Z]+$/.test(method))
    throw new Error(`bad request line "${method} ${request.path}"`);
  const bytes = Buffer.from(`${head}\r\n`, "latin1");
  return body === undefined ? bytes : Buffer.concat([bytes, body]);
}

/** A plan of plain requests. */
export function planRequests(
  data: Extract<ScenarioData, { kind: "requests" }>,
  host: string,
  random: () => number,
): Plan {
  return {
    thinkTime: data.thinkTime,
    tasks: data.tasks.map((task) => {
      const bodies = task.bodies.length === 0 ? [undefined] : task.bodies;
      const requests = bodies.map((body) =>
        encodeRequest(
          {
            method: task.method,
            path: task.path,
            headers: task.headers,
            ...(body === undefined ? {} : { body }),
          },
          host,
        ),
      );
      let turn = Math.floor(random() * requests.length);
      return {
        name: task.name,
        method: task.method,
        weight: task.weight,
        next: () => {
          turn = turn + 1 === requests.length ? 0 : turn + 1;
          return requests[turn]!;
        },
        check: undefined,
      };
    }),
  };
}
