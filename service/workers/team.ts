import type { Registry } from "prom-client";
import type { Logger } from "../log.ts";
import type { Candidate, Installer } from "../model/installer.ts";
import type { WatchStatus } from "../model/watch.ts";

/** The processes of a replica, as each of them sees them. */
export interface Team {
  /** Settles when this process serves what the others serve: it may listen then. */
  readonly welcomed: Promise<void>;
  /** What the registry's watcher, which runs in the first process, says. */
  status(): WatchStatus;
  /** Settles when the others have ended; the first process tells them to. */
  stop(): Promise<void>;
}

export interface LeadTeam extends Team {
  /** Metrics of all of them, in the Prometheus text format. */
  readonly exposition: () => Promise<string>;
  /** Starts the others, on the port that this process has. */
  readonly start: (size: number, port: number) => void;
  /**
   * Has every process load and check a model, and then all serve it from one instant on.
   * Throws Error with the reason when one of them cannot; none serves it then. It is a ModelError
   * where the model is to blame.
   */
  readonly install: (candidate: Candidate) => Promise<void>;
  /** Passes on what the watcher says. */
  readonly tell: (status: WatchStatus) => void;
}

export interface TeamOptions {
  readonly registry: Registry;
  readonly installer: Installer;
  readonly log: Logger;
}
