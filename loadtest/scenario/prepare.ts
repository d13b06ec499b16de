// What a run sends, made ready before it starts: its own scenario, people's own rows, or rows like those
// that the target describes. Rows are tried first: a load that is refused says nothing about anything.
import { setTimeout } from "node:timers/promises";
import type { RequestsTask, ScenarioData } from "../engine/plan.ts";
import { saidBy } from "../engine/said.ts";
import { parseExact } from "../exact-json.ts";
import type { RunRequest } from "../run-request.ts";
import { UserError } from "../units.ts";
import { ask, type Answer, type Target } from "./ask.ts";
import { otherRows, posts, predictions } from "./default.ts";
import { bodiesOf } from "./rows.ts";

/** Nobody said what to send, though the target may say so later: it does not answer, or has too much to do. */
export class NotYet extends UserError {}

export interface Prepared {
  name: string;
  data: ScenarioData;
}

/** How long a target may take to describe itself, or to answer a request that is tried. */
const patienceMs = 5000;
/** Between two attempts to read a description: a target that has just started, or has too much to do. */
const pauseMs = 1000;
const attempts = 3;
/** Different requests that are tried. */
const tried = 5;
/** Descriptions that are kept. */
const mostKnown = 16;

/** Says nothing about the request: too much to do, too slow, or not there. */
const mayPass = (answer: Answer): boolean =>
  "failure" in answer || answer.status >= 500 || answer.status === 408 || answer.status === 429;

/**
 * @param known descriptions read before, by host: one that cannot be read for the moment is still true
 * @throws UserError where nobody says what to send, or the target refuses it
 */
export async function prepare(
  { scenario, rows, path, insecure }: RunRequest,
  host: string,
  known: Map<string, unknown> = new Map(),
): Promise<Prepared> {
  if (scenario !== null) return scenario;
  const target = { host, insecure };
  const asTheyAre = rows !== null && "bodies" in rows;
  const document = asTheyAre ? null : await describe(target, known);
  const data: ScenarioData =
    rows === null
      ? predictions(document, path, Math.random)
      : { kind: "requests", tasks: [posts(path, bodiesOf(rows, document, path))] };
  if (data.kind === "requests") await tryOut(target, data.tasks[0]!, rows?.name ?? null);
  return { name: `POST ${path}${rows === null ? "" : ` with ${rows.name}`}`, data };
}

/** The target's OpenAPI document. */
async function describe(target: Target, known: Map<string, unknown>): Promise<unknown> {
  const { host } = target;
  let answer = await ask(target, { path: "/openapi.json" }, patienceMs);
  for (let more = attempts - 1; mayPass(answer) && more > 0 && !known.has(host); more -= 1) {
    await setTimeout(pauseMs);
    answer = await ask(target, { path: "/openapi.json" }, patienceMs);
  }
  if ("status" in answer && answer.status === 200) {
    try {
      const document = parseExact(answer.body.toString("utf8"));
      if (known.size >= mostKnown) known.clear();
      known.set(host, document);
      return document;
    } catch {
      // Said below.
    }
  }
  if (mayPass(answer) && known.has(host)) return known.get(host);
  const why =
    "failure" in answer
      ? answer.failure
      : answer.status === 200
        ? "what is there is not JSON"
        : `status ${answer.status}`;
  throw new (mayPass(answer) ? NotYet : UserError)(
    `What to send is not known, as ${host}/openapi.json cannot be read (${why}); ${otherRows}.`,
  );
}

/** Sends a few different requests of `task`. Throws UserError when the target refuses one of them. */
async function tryOut(target: Target, task: RequestsTask, file: string | null): Promise<void> {
  const { method, path, headers, bodies } = task;
  for (const at of spread(bodies)) {
    const body = bodies[at]!;
    const request = { method, path, body, headers: { ...headers, "user-agent": tryAgent } };
    const answer = await ask(target, request, patienceMs);
    // Who does not answer now is what a load may be about.
    if ("failure" in answer) return;
    if (answer.status < 400 || mayPass(answer)) continue;
    const said = saidBy(answer.body);
    const sent = body.length > 300 ? `${body.slice(0, 300)} …` : body;
    throw new UserError(
      `The load was not started, as ${target.host} refuses what it would send: ${method} ${path} with ` +
        `${file === null ? "" : `row ${at + 1} of ${file}, `}${sent}, was answered ${answer.status}` +
        `${said === "" ? "" : `, "${said}"`}; ${wayOut(answer.status, file)}.`,
    );
  }
}

/** Tells the requests that are tried from those of the load. */
export const tryAgent = "inference-stack-loadtest (try)";

/** Places of bodies, spread over all of them, each another body. */
function spread(bodies: readonly string[]): number[] {
  const places = Array.from({ length: tried }, (_, i) => Math.floor((i * bodies.length) / tried));
  return places.filter((at, i) => places.findIndex((one) => bodies[one] === bodies[at]) === i);
}

function wayOut(status: number, file: string | null): string {
  if (status === 404 || status === 405) return "name the path that takes predictions with --path";
  if (status === 401 || status === 403) return "a scenario can send what it asks for, with -f";
  return file === null ? otherRows : `mend that row of ${file}, or leave it out`;
}
