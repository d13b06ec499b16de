// Which processes live, told apart from others that were given the same number later.
import { readFileSync } from "node:fs";

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The state of a process and what follows it in its file. @param {number | "self"} pid */
const fieldsOf = (pid) =>
  // The name stands in brackets and may contain anything.
  read(`/proc/${pid}/stat`).replace(/^.*\)/s, "").trim().split(/\s+/);

/**
 * When a process started, in the kernel's ticks of 10 ms since boot.
 * @param {number | "self"} pid
 * @returns {number | undefined} undefined where there is no such process, or no /proc
 */
export function startTicks(pid) {
  // The 22nd field is the 20th after the name.
  const fields = fieldsOf(pid);
  return fields.length > 19 ? Number(fields[19]) : undefined;
}

/**
 * The name of the program that a process runs.
 * @param {number} pid
 * @returns {string} empty where there is no such process, or no /proc
 */
export const commandName = (pid) => read(`/proc/${pid}/comm`).trim();

/**
 * Whether a process can still do something. One that has ended keeps its number until its parent, or the
 * first process of the machine or container, asks how: seconds later, or never.
 * @param {number} pid
 */
export function alive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM"; // somebody else's
  }
  return fieldsOf(pid)[0] !== "Z";
}

/** What is noted of a process, so that it is known again: its boot and when in it it started. */
export const identity = (/** @type {number} */ pid) =>
  `${read("/proc/sys/kernel/random/boot_id").trim()} ${startTicks(pid) ?? ""}`;

/**
 * @param {number} pid
 * @param {string} noted its identity then; empty where it could not be known
 */
export const isStill = (pid, noted) => alive(pid) && (noted === "" || identity(pid) === noted);

/** When this machine booted, in milliseconds since 1970. @returns {number | undefined} */
export function bootTime() {
  const [, seconds] = /^btime (\d+)$/m.exec(read("/proc/stat")) ?? [];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
