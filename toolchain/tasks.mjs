// Work that takes minutes, side by side, with its progress shown: live on a terminal, as plain
// lines elsewhere.
import { clearInterval, setInterval } from "node:timers";

import { inCi } from "./consent.mjs";
import { SetupError, messageOf } from "./errors.mjs";

/**
 * @typedef {(line: string) => void} Log
 * @typedef {{ piece: string, source: string, bytes: number, seconds: number, kept: boolean }} Outcome
 *   kept: it was there already; seconds: what making it took, also when that was earlier
 * @typedef {{ title: string, run: (log: Log) => Promise<Outcome | Task[]> }} Task
 *   a task that ends with other tasks asks for those to be done in its place
 */

/** How often a task that says nothing new is mentioned in a log. */
const heartbeatMs = 30_000;

/**
 * Runs tasks side by side, then those they asked for instead.
 *
 * @param {Task[]} tasks
 * @returns {Promise<Outcome[]>}
 * @throws {SetupError} naming every task that failed, after the others have ended
 */
export async function runTasks(tasks) {
  if (tasks.length === 0) return [];
  const results = await ((await terminal(tasks)) ?? plain(tasks));
  const failures = results.flatMap((result) => ("error" in result ? [result.error] : []));
  if (failures.length > 0) {
    throw new SetupError(
      [...failures, "what was finished is kept; run this again when that is mended"].join("\n"),
    );
  }
  const ended = results.flatMap((result) => ("error" in result ? [] : [result.value]));
  const outcomes = ended.flatMap((value) => (Array.isArray(value) ? [] : [value]));
  return [
    ...outcomes,
    ...(await runTasks(ended.flatMap((value) => (Array.isArray(value) ? value : [])))),
  ];
}

/** @typedef {{ value: Outcome | Task[] } | { error: string }} Result */

/** @param {Task} task @param {Log} log @returns {Promise<Result>} */
const attempt = (task, log) =>
  task.run(log).then(
    (value) => ({ value }),
    (error) => ({ error: `${task.title}: ${messageOf(error)}` }),
  );

/** @param {Task[]} tasks */
function plain(tasks) {
  return Promise.all(
    tasks.map(async (task) => {
      const started = Date.now();
      let last = "";
      const heartbeat = setInterval(() => {
        console.log(`  ${task.title}: ${Math.round((Date.now() - started) / 1000)} s, ${last}`);
      }, heartbeatMs);
      console.log(`- ${task.title}`);
      const result = await attempt(task, (line) => {
        last = line;
      });
      clearInterval(heartbeat);
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      console.log(`${"error" in result ? "✗" : "✓"} ${task.title} (${seconds} s)`);
      return result;
    }),
  );
}

/**
 * @param {Task[]} tasks
 * @returns {Promise<Result[] | undefined>} undefined where there is no terminal to draw on
 */
async function terminal(tasks) {
  if (!process.stdout.isTTY || inCi(process.env)) return undefined;
  const listr2 = await import("listr2").catch(() => undefined);
  if (!listr2) return undefined;
  /** @type {Result[]} */
  const results = [];
  const list = new listr2.Listr(
    tasks.map((task, index) => ({
      title: task.title,
      task: async (/** @type {unknown} */ _, /** @type {{ output: string }} */ view) => {
        const result = await attempt(task, (line) => {
          view.output = line;
        });
        results[index] = result;
        if ("error" in result) throw new Error(task.title); // why is told at the end
      },
    })),
    {
      concurrent: true,
      exitOnError: false,
      rendererOptions: { timer: listr2.PRESET_TIMER, collapseErrors: false },
    },
  );
  await list.run();
  return results;
}

/**
 * At most so many at once: two compilers that fill all cores finish no sooner as four.
 *
 * @param {number} limit
 * @returns {<T>(work: () => Promise<T>) => Promise<T>}
 */
export function limiter(limit) {
  let free = limit;
  /** @type {Array<() => void>} */
  const waiting = [];
  return async (work) => {
    if (free === 0) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
