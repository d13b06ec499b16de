// Loads the stack with its own workers, by way of its master's container, event by event.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { dockerHost } from "../../infra/engine.ts";
import { UserError } from "../../infra/errors.ts";
import type { DriveInput, DriveOutput } from "../drive.ts";
import type { RunEvent } from "../events.ts";
import type { RunRequest } from "../run-request.ts";
import { stackContainers } from "./containers.ts";
import { NotReady } from "./stack-under-trial.ts";

export interface DrivenRun {
  /** Ends the load at once; its last events still come. */
  stop(): void;
  /** Settles when the load's last event was heard. */
  readonly done: Promise<void>;
}

/** The master's own way in, and lines to it. */
function enter(master: string) {
  const program = ["node", "/app/main.mjs", "drive", "--settings", "/run/loadtest/settings.json"];
  // A group of its own: Ctrl-C must not cut the way by which the stop is sent.
  const child = spawn("docker", ["-H", dockerHost(), "exec", "-i", master, ...program], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  const say = (line: DriveInput): void => {
    child.stdin.write(`${JSON.stringify(line)}\n`);
  };
  return { child, say };
}

/**
 * Has the master of a stack that is up try what its runs would send; a stack that is not has nobody to ask.
 * @throws UserError where the target refuses it
 */
export async function tryLoad(stack: string, request: RunRequest): Promise<void> {
  const [master] = (await stackContainers(stack)).ids.loadtest;
  if (master === undefined) return;
  const { child, say } = enter(master);
  child.stderr.resume();
  say({ try: request });
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as DriveOutput;
    child.stdin.end();
    // What is so only now, the first trial finds out with limits of its own.
    if ("refused" in line && line.notYet !== true) throw new UserError(line.refused);
  }
}

/**
 * @param master id of the master's container
 * `done` rejects with NotReady when the target does not answer the master, with UserError when the master
 * refuses the run for another reason or goes away.
 */
export function driveLoad(
  master: string,
  request: RunRequest,
  hear: (event: RunEvent) => void,
): DrivenRun {
  const { child, say } = enter(master);
  let complaint = "";
  child.stderr.on("data", (text: Buffer) => {
    complaint = (complaint + text.toString()).slice(-2000);
  });
  const done = (async (): Promise<void> => {
    let ended = false;
    for await (const text of createInterface({ input: child.stdout })) {
      const line = JSON.parse(text) as DriveOutput;
      if ("refused" in line) {
        throw new (line.notYet === true ? NotReady : UserError)(
          `the load test refuses: ${line.refused}`,
        );
      }
      if (!("event" in line)) continue;
      hear(line.event);
      if (line.event.type === "ended") {
        ended = true;
        child.stdin.end();
      }
    }
    if (!ended) {
      throw new UserError(
        `the load test went away before the load had ended. It said: ${complaint.trim() || "nothing"}`,
      );
    }
  })();
  say({ run: request });
  return {
    stop: () => {
      say({ stop: "now" });
    },
    done,
  };
}
