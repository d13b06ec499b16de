import { destination, pino, type Logger } from "pino";
import type { ServiceSettings } from "./settings.ts";

export type { Logger };

export const createLogger = (level: ServiceSettings["logLevel"]): Logger =>
  pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` },
    destination({ dest: 1, sync: false }),
  );

/** One request as the access log tells it. */
export interface Access {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  readonly requestId: string;
  readonly traceparent: string | undefined;
}

/** Lines a second, of successes and of failures each: under load the log is a sample, not a burden. */
const PER_SECOND = 10;

/** An access log that says how many requests it left out. */
export class AccessLog {
  readonly #log: Logger;
  readonly #now: () => number;
  #second = 0;
  #written = [0, 0];
  #leftOut = 0;

  constructor(log: Logger, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
  }

  /** Whether a request with this status is to be written now; asked before its line is put together. */
  wants(status: number): boolean {
    if (!this.#log.isLevelEnabled("info")) return false;
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#written = [0, 0];
    }
    const kind = status < 500 ? 0 : 1;
    const written = this.#written[kind] ?? 0;
    if (written >= PER_SECOND) {
      this.#leftOut++;
      return false;
    }
    this.#written[kind] = written + 1;
    return true;
  }

  write(access: Access): void {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#log.info({ ...access, ...(leftOut > 0 ? { leftOut } : {}) }, "request");
  }
}
