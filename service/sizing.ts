import type { Limits } from "./limits.ts";

const MB = 1024 * 1024;

/** How one replica uses the CPU and memory it is given. */
export interface Sizing {
  /** Node processes that share the port. */
  readonly workers: number;
  /** Threads of ONNX Runtime in each. */
  readonly threads: number;
  /** V8's old generation, and each half of its young one, in MB; undefined leaves V8's own choice. */
  readonly oldSpaceMB: number | undefined;
  readonly semiSpaceMB: number | undefined;
  /** Sockets each process may hold open at once. */
  readonly maxConnections: number;
  /** Requests at once on one connection of HTTP/2. */
  readonly maxStreams: number;
  /** Bytes that callers may make one process hold at once; see budget.ts. */
  readonly outsideBytes: number;
  /** Bytes that one request may become. */
  readonly requestBytes: number;
}

/** What one process needs besides V8's heap and sockets: Node's and ONNX Runtime's own pages. */
const BASE_MB = 40;
/**
 * The least that a replica runs in, MB, with the embedded model: measured. In 52 MB it serves and is
 * checked for its health, in 48 it is ready and then ended again and again for want of memory.
 */
export const LEAST_MB = 56;
/** Bytes of a body, and rows in it, that every replica has room for. */
export const USUAL_BODY = MB;
const USUAL_ROWS = 10_000;
/**
 * Memory for a large request: for each byte of it (its text and what that becomes), and for each of its
 * rows (their values, results and reply). Measured with named rows, and with tensors of short numbers.
 */
export const BYTES_PER_BYTE = 8;
const BYTES_PER_ROW = 300;

/** What requests may be, at most. */
export interface MostOfRequest {
  /** Bytes. */
  readonly maxBody: number;
  readonly maxRows: number;
}

/** MB that the largest request takes beyond what every replica has room for. */
function largestMB({ maxBody, maxRows }: MostOfRequest): number {
  // A row has a digit and a comma, at least.
  const rows = Math.min(maxRows, maxBody / 2);
  const bytes = maxBody > USUAL_BODY ? maxBody * BYTES_PER_BYTE : 0;
  return (bytes + (rows > USUAL_ROWS ? rows * BYTES_PER_ROW : 0)) / MB;
}

const mostWorkers = (cpus: number): number => Math.max(1, Math.floor(cpus));

/**
 * The least that a replica runs in, MB, by what requests may be: each of its processes may have the
 * largest at the same time.
 */
export function leastMemoryMB(most: MostOfRequest, cpus: number): number {
  const larger = largestMB(most);
  return larger === 0 ? LEAST_MB : mostWorkers(cpus) * Math.ceil(LEAST_MB + larger);
}

/** How many requests with a larger body than usual a replica has memory for, all in one process. */
export const largeAtOnce = (most: MostOfRequest, memoryMB: number, cpus: number): number =>
  Math.max(1, Math.floor((memoryMB / mostWorkers(cpus) - LEAST_MB) / largestMB(most)));

/** How many requests with a body of the usual size a replica has memory for, all in one process. */
export const bodiesAtOnce = (memoryMB: number, cpus: number): number => {
  const each = (USUAL_BODY * BYTES_PER_BYTE + USUAL_ROWS * BYTES_PER_ROW) / MB;
  return Math.max(2, Math.min(16, Math.floor((memoryMB / mostWorkers(cpus) - LEAST_MB) / each)));
};

/**
 * Requests at once on a connection of HTTP/2. More than a gateway has there before it hears of it: HAProxy
 * sends up to 100 that it has by then, whatever it is told meanwhile.
 */
const MOST_STREAMS = 256;

/**
 * Requests at once that a gateway had best keep to on a connection: the kernel spreads connections over
 * processes, so on one with many streams one process would have all the work.
 */
export const streamsOfGateway = (memoryMB: number, cpus: number): number =>
  chooseSizing({ cpus, memoryBytes: memoryMB * MB }, cpus).workers > 1 ? 4 : 100;

/** CPU time from the start until it is ready, s: 0.4 to 0.8 were measured, and machines differ. */
export const START_CPU_SECONDS = 2;
/** A connection's cost in kernel and heap, with the headers of a request in it. */
const CONNECTION_KB = 16;
/** Of V8's heap: what the service has there itself, MB, and the part of the rest that may hold requests. */
const OWN_HEAP_MB = 16;
const FOR_REQUESTS = 0.5;

/** What a process takes beside its heap and what callers make it hold, MB, with all that an attack leaves there. */
const BESIDE_MB = 30;

/**
 * MB of V8's old generation. V8 uses all that it may have before it cleans up thoroughly, so all of it has to
 * fit: beside the young generation, and beside the half of what is not the service's own that callers may
 * make it hold. In 128 MB half of the memory was too much, and 40 MB too little for blocks of headers that stand for much.
 */
const heapMB = (share: number, semiSpaceMB: number): number =>
  Math.min(
    (share - BESIDE_MB - 3 * semiSpaceMB + FOR_REQUESTS * OWN_HEAP_MB) / (1 + FOR_REQUESTS),
    Math.max(48, share - 88),
    (share - 16) / 2,
  );

/**
 * Workers, threads and heap for the limits of a replica; `hostCpus` counts where there is no quota.
 * The heap gets a part that leaves room for sockets and for the file pages of the libraries: with
 * less, the kernel reads them in again all the time, with a larger heap V8 meets the limit first.
 */
export function chooseSizing(limits: Limits, hostCpus: number): Sizing {
  const cpus = limits.cpus ?? hostCpus;
  const memoryMB = limits.memoryBytes === undefined ? undefined : limits.memoryBytes / MB;
  const byMemory = memoryMB === undefined ? Infinity : Math.floor(memoryMB / 96);
  const workers = Math.max(1, Math.min(mostWorkers(cpus), byMemory));
  const threads = Math.max(1, Math.floor(cpus / workers));
  if (memoryMB === undefined) {
    return {
      workers,
      threads,
      oldSpaceMB: undefined,
      semiSpaceMB: undefined,
      maxConnections: 20_000,
      maxStreams: MOST_STREAMS,
      outsideBytes: 512 * MB,
      requestBytes: 1024 * MB,
    };
  }
  const share = memoryMB / workers;
  // A young generation that is too small is cleaned all the time: at 96 MB, 8 MB takes a tenth less CPU than 2.
  const semiSpaceMB = share < 72 ? 2 : share < 90 ? 4 : share < 512 ? 8 : 16;
  const oldSpaceMB = Math.min(4096, Math.max(16, Math.floor(heapMB(share, semiSpaceMB))));
  const forSockets = Math.max(4, share - BASE_MB - 3 * semiSpaceMB - 8);
  return {
    workers,
    threads,
    oldSpaceMB,
    semiSpaceMB,
    maxConnections: Math.min(20_000, Math.floor((forSockets * 1024) / CONNECTION_KB)),
    maxStreams: MOST_STREAMS,
    outsideBytes: Math.floor(FOR_REQUESTS * Math.max(8, oldSpaceMB - OWN_HEAP_MB) * MB),
    requestBytes: Math.floor(0.4 * oldSpaceMB * MB),
  };
}

/**
 * Node's command line for a sizing. Code is compiled at its first call, simply, instead of being
 * interpreted until it is known to be hot: with 0.2 CPU the first seconds under load then take half
 * the CPU time a request.
 */
export function nodeFlags({ oldSpaceMB, semiSpaceMB }: Sizing): string[] {
  if (oldSpaceMB === undefined || semiSpaceMB === undefined) return [];
  return [
    `--max-old-space-size=${oldSpaceMB}`,
    `--max-semi-space-size=${semiSpaceMB}`,
    "--always-sparkplug",
  ];
}
