// What users do. A scenario file exports one of these as its default; flags alone make one too.

/** Seconds to wait after a reply; `pacing` counts from the moment the last request was sent. */
export type ThinkTime =
  | { kind: "constant"; seconds: number }
  | { kind: "uniform"; min: number; max: number }
  | { kind: "exponential"; mean: number }
  | { kind: "pacing"; seconds: number };

/** Locust's `constant`: a wait of as many seconds after every reply. */
export const constant = (seconds: number): ThinkTime => ({ kind: "constant", seconds });
/** Locust's `between`: evenly spread between two numbers of seconds. */
export const between = (min: number, max: number): ThinkTime => ({ kind: "uniform", min, max });
/** Waits as independent people make them: exponentially distributed around a mean, in seconds. */
export const exponential = (mean: number): ThinkTime => ({ kind: "exponential", mean });
/** Locust's `constant_pacing`: one request every so many seconds, however long replies take. */
export const pacing = (seconds: number): ThinkTime => ({ kind: "pacing", seconds });

/** One row of a data file: a CSV's columns by name, or an element of a JSON array. */
export type Row = Record<string, unknown>;

/** What a task may use to make its request. */
export interface TaskContext {
  /** Number of the user, from 0. */
  user: number;
  /** How many requests this user has made before. */
  iteration: number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Rows of the scenario's data files, by the names it gave them. */
  data: Record<string, Row[]>;
}

export interface Request {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  /** A string is sent as it is; anything else as JSON. */
  body?: unknown;
}

/** A whole reply, for a check. */
export interface Reply {
  status: number;
  body: () => string;
  json: () => unknown;
}

export interface Task {
  /** Shown in every table; the path unless told. */
  name?: string;
  /** How often, relative to the other tasks; 1 unless told. */
  weight?: number;
  /** Shown in every table; that of the first request unless told. */
  method?: string;
  /** The request, or a function that makes a new one each time. */
  request: Request | ((context: TaskContext) => Request);
  /** Returns what is wrong with a reply, or nothing. Without it any 2xx or 3xx is right. */
  check?: (reply: Reply) => string | undefined;
}

export interface Scenario {
  name?: string;
  thinkTime?: ThinkTime;
  /** Data files by name: paths of .csv or .json files, relative to the scenario's file. */
  data?: Record<string, string>;
  tasks: Task[];
}

/** Types a scenario where it is written. */
export const scenario = (definition: Scenario): Scenario => definition;
