// Child processes: their last line is progress, their last lines are the explanation of a failure,
// and none of them outlives the set-up.
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { SetupError } from "./errors.mjs";

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

/** Ends every child and what those started. */
export function endChildren() {
  for (const child of running) {
    try {
      if (child.pid) process.kill(-child.pid, "SIGTERM");
    } catch {
      // gone already
    }
  }
}

/**
 * Runs a program to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string, timeoutMs?: number,
 *   onLine?: (line: string) => void }} [options] onLine hears each line of either output
 * @returns {Promise<string>} its standard output, without the last newline
 * @throws {SetupError} when it cannot start, ends with another code than 0, or takes too long
 */
export function run(command, args, options = {}) {
  const { cwd, env = process.env, input, timeoutMs, onLine = () => {} } = options;
  return new Promise((resolve, reject) => {
    // A group of its own, so that a compiler's own children end with it.
    const child = spawn(command, args, { cwd, env, detached: true, stdio: "pipe" });
    running.add(child);
    let out = "";
    let timedOut = false;
    /** @type {string[]} */
    const tail = [];
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            if (child.pid) process.kill(-child.pid, "SIGKILL");
          }, timeoutMs);
    /** @param {import("node:stream").Readable} stream @param {boolean} keep */
    const listen = (stream, keep) => {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (/** @type {string} */ text) => {
        if (keep) out += text;
        const lines = (rest + text).split(/\r?\n|\r/);
        rest = lines.pop() ?? "";
        for (const line of lines) hear(line);
      });
      stream.on("end", () => {
        hear(rest);
      });
    };
    /** @param {string} line */
    const hear = (line) => {
      if (line.trim() === "") return;
      tail.push(line);
      if (tail.length > 15) tail.shift();
      onLine(line.trim());
    };
    listen(child.stdout, true);
    listen(child.stderr, false);
    child.stdin.on("error", () => {}); // a child that ended before it read is told about by its code
    child.stdin.end(input ?? "");
    child.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      finish();
      const why = error.code === "ENOENT" ? "is not installed" : `cannot start: ${error.message}`;
      reject(new SetupError(`${command} ${why}`, { cause: error }));
    });
    child.on("close", (code, signal) => {
      finish();
      if (code === 0 && !timedOut) {
        resolve(out.replace(/\r?\n$/, ""));
        return;
      }
      const how = timedOut
        ? `took longer than ${(timeoutMs ?? 0) / 1000} s`
        : code === null
          ? `was ended by ${signal}`
          : `ended with code ${code}`;
      reject(new SetupError([`${[command, ...args].join(" ")} ${how}`, ...tail].join("\n  ")));
    });
    const finish = () => {
      running.delete(child);
      if (timer) clearTimeout(timer);
    };
  });
}

/** @param {string} name @returns {string | undefined} where the program is on PATH */
export function which(name) {
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return undefined;
}
