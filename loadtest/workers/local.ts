// Engines on this machine for a run without a stack: in this process, or one process for each core.
import { fork, type ChildProcess } from "node:child_process";
import { EngineHost, type Command, type Report } from "../engine/host.ts";
import type { WorkerPort } from "../run.ts";
import { endSignals } from "../told-to-end.ts";

export interface LocalWorkers {
  ports: WorkerPort[];
  close: () => void;
}

/**
 * @param count engine processes; 1 uses this one
 * @param main the program that, called with `engine`, is one engine process
 */
export function localWorkers(
  count: number,
  main: string,
  reported: (id: string, report: Report) => void,
  lost: (id: string) => void,
): LocalWorkers {
  if (count === 1) {
    const host = new EngineHost((report) => {
      reported("local", report);
    });
    const tell = (command: Command): void => {
      host.do(command);
    };
    return {
      ports: [{ id: "local", tell }],
      close: () => {
        host.abandon();
      },
    };
  }
  const children: ChildProcess[] = [];
  const ports = Array.from({ length: count }, (_, i) => {
    const id = `local-${i + 1}`;
    const child = fork(main, ["engine"], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    children.push(child);
    child.on("message", (message) => {
      reported(id, message as Report);
    });
    child.on("exit", () => {
      lost(id);
    });
    const tell = (command: Command): void => {
      if (child.connected) child.send(command);
    };
    return { id, tell };
  });
  return {
    ports,
    close: () => {
      for (const child of children) child.disconnect();
    },
  };
}

/** Is one engine process of a local run, until its parent lets go of it. */
export function runEngineProcess(): void {
  const host = new EngineHost((report) => {
    if (process.connected) process.send!(report);
  });
  process.on("message", (message) => {
    host.do(message as Command);
  });
  process.on("disconnect", () => {
    host.abandon();
    process.exit(0);
  });
  // What is sent to the whole group reaches all: the parent decides how the run ends.
  for (const signal of endSignals) process.on(signal, () => undefined);
}
