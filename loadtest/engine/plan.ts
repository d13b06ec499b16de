// A scenario made ready to be sent: requests as bytes, checks, weights. Plain data crosses from
// the master to its workers; a plan is what a worker makes of it.
import type { Reply, Request, Row, Scenario, Task, ThinkTime } from "../scenario/scenario.ts";

/** A scenario as it crosses the network: the code of one is text, which only a worker runs. */
export type ScenarioData =
  | { kind: "requests"; tasks: RequestsTask[] }
  /** `code` is one ES module without imports whose default export is a Scenario. */
  | { kind: "code"; code: string; data: Record<string, Row[]> };

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

const methodOf = (request: Request): string =>
  request.method ?? (request.body === undefined ? "GET" : "POST");

/** The bytes of one HTTP/1.1 request. `host` is the Host header's value. */
export function encodeRequest(request: Request, host: string): Buffer {
  const method = methodOf(request);
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

const defaultThinkTime: ThinkTime = { kind: "constant", seconds: 1 };

/**
 * Makes a plan. `host` is the Host header's value. Throws with what the scenario's author can mend.
 */
export async function makePlan(
  scenario: ScenarioData,
  host: string,
  random: () => number,
): Promise<Plan> {
  if (scenario.kind === "requests") {
    return {
      thinkTime: defaultThinkTime,
      tasks: scenario.tasks.map((task) => planRequests(task, host, random)),
    };
  }
  const url = `data:text/javascript;base64,${Buffer.from(scenario.code).toString("base64")}`;
  const { default: definition } = (await import(url)) as { default?: Scenario };
  if (!Array.isArray(definition?.tasks) || definition.tasks.length === 0) {
    throw new Error("the scenario's default export has no tasks");
  }
  return {
    thinkTime: definition.thinkTime ?? defaultThinkTime,
    tasks: definition.tasks.map((task, i) => planTask(task, i, scenario.data, host, random)),
  };
}

function planRequests(task: RequestsTask, host: string, random: () => number): PlannedTask {
  const { method, path, headers } = task;
  const bodies = task.bodies.length === 0 ? [undefined] : task.bodies;
  const requests = bodies.map((body) =>
    encodeRequest({ method, path, headers, ...(body === undefined ? {} : { body }) }, host),
  );
  let turn = Math.floor(random() * requests.length);
  return {
    name: task.name,
    method,
    weight: task.weight,
    next: () => {
      turn = turn + 1 === requests.length ? 0 : turn + 1;
      return requests[turn]!;
    },
    check: undefined,
  };
}

function planTask(
  task: Task,
  index: number,
  data: Record<string, Row[]>,
  host: string,
  random: () => number,
): PlannedTask {
  const { request, weight = 1 } = task;
  const name = task.name ?? (typeof request === "function" ? undefined : request.path);
  if (name === undefined) throw new Error(`task ${index + 1} makes its requests and needs a name`);
  if (!(weight > 0)) throw new Error(`the weight of task "${name}" is ${weight}; give more than 0`);
  if (typeof request !== "function") {
    const bytes = encodeRequest(request, host);
    return { name, method: methodOf(request), weight, next: () => bytes, check: task.check };
  }
  return {
    name,
    // Known only once it is made; tables show what the author says, or what the first one was.
    method: task.method ?? methodOf(request({ user: 0, iteration: 0, random, data })),
    weight,
    next: (user, iteration) => encodeRequest(request({ user, iteration, random, data }), host),
    check: task.check,
  };
}
