// Locks that a `kill -9` left in the clone's own backend. One is cleared only when its holder is
// known to be gone; in doubt it stays, and the CLI says what to do (`pulumi cancel`).
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { stateDir } from "../clone.mjs";
import { pulumiCli } from "../paths.mjs";
import { alive, bootTime, commandName, startTicks } from "./processes.mjs";
import { locksDir } from "./state.mjs";

/**
 * @typedef {{ file: string, pid: number, hostname: string, timestamp: string }} Lock
 * @typedef {object} Host
 * @property {string} hostname
 * @property {boolean} alone no other machine, and no container with processes of its own, has used
 *   this clone since this machine booted: only then a number that is free here says that the
 *   holder is gone
 * @property {number | undefined} bootTime milliseconds since 1970; undefined where it is not known
 * @property {(pid: number) => number | "unknown" | undefined} startOf when a process started, in
 *   milliseconds since 1970; undefined where there is none
 * @property {(pid: number) => boolean} isCli whether what has this number now is the Pulumi CLI: the
 *   clock may have been set since the lock was made, and then times say nothing
 */

/** By how much the kernel's clock of processes and the clock on the wall may differ. */
const slackMs = 2000;

/**
 * The locks whose holder is gone: made on this host, and before it booted, or by a process that is
 * no more, or whose number was given to another since, which is no CLI. Pure.
 * @param {readonly Lock[]} locks
 * @param {Host} host
 */
export function deadLocks(locks, host) {
  if (!host.alone) return [];
  return locks.filter((lock) => {
    const made = Date.parse(lock.timestamp);
    if (lock.hostname !== host.hostname || Number.isNaN(made) || host.isCli(lock.pid)) return false;
    if (host.bootTime !== undefined && made < host.bootTime - slackMs) return true;
    const started = host.startOf(lock.pid);
    return started === undefined || (started !== "unknown" && started > made + slackMs);
  });
}

const usersDir = join(stateDir, "users");

/** This boot of this machine, and whose process numbers count here. */
function here() {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // no /proc: no containers that share this folder either
  }
}

/** Notes that the clone's backend is used from here. */
export function noteUse() {
  mkdirSync(usersDir, { recursive: true });
  const note = join(usersDir, here());
  writeFileSync(note, "");
  utimesSync(note, new Date(), new Date());
}

/** @returns {Host} */
function thisHost() {
  const booted = bootTime();
  const users = existsSync(usersDir) ? readdirSync(usersDir) : [];
  return {
    hostname: hostname(),
    bootTime: booted,
    alone: users.every(
      (user) => user === here() || statSync(join(usersDir, user)).mtimeMs < (booted ?? 0),
    ),
    isCli: (pid) => alive(pid) && commandName(pid) === basename(pulumiCli),
    startOf: (pid) => {
      if (!alive(pid)) return undefined;
      const ticks = startTicks(pid);
      return ticks === undefined || booted === undefined ? "unknown" : booted + ticks * 10;
    },
  };
}

/** What the backend keeps of each of its files beside it. */
const attributes = ".attrs";

/**
 * The locks among the names of a folder of them. Pure.
 * @param {readonly string[]} names
 */
export const lockNames = (names) => names.filter((name) => !name.endsWith(attributes));

/** @param {string} dir @returns {string[]} names of its locks */
const locksIn = (dir) => (existsSync(dir) ? lockNames(readdirSync(dir)) : []);

/** How many updates hold a lock on a stack. @param {string} stack */
export const heldLocks = (stack) => locksIn(locksDir(stack)).length;

/** @param {string} dir @returns {Lock[]} */
function readLocks(dir) {
  return locksIn(dir).flatMap((name) => {
    try {
      return [{ ...JSON.parse(readFileSync(join(dir, name), "utf8")), file: join(dir, name) }];
    } catch {
      return []; // being written, or gone again
    }
  });
}

/**
 * Removes the locks of a stack whose holder is gone.
 * @param {string} stack
 * @returns {string[]} what was done, a sentence each
 */
export function clearDeadLocks(stack) {
  return deadLocks(readLocks(locksDir(stack)), thisHost()).map(({ file, pid }) => {
    rmSync(file, { force: true });
    rmSync(file + attributes, { force: true });
    return `cleared the lock of process ${pid}, which is gone`;
  });
}
