// The stacks' settings files while the CLI runs: salts are lent to them, and taken out again. What
// was there is noted in .state/ before anything is written, so whatever ends this process, the
// next one puts it back. Several runs may go on side by side: the last one puts back.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { root, stateDir } from "../clone.mjs";
import { identity, isStill } from "./processes.mjs";
import { lend, saltOf, settle } from "./salt.mjs";
import { checkpointFile } from "./state.mjs";

/** @typedef {{ file: string, stack: string, before: string, lent: string }} Held */

const heldDir = join(stateDir, "settings");
const runsDir = join(stateDir, "running");
const lockFile = join(stateDir, "settings.lock");

/** @param {string} stack */
export const settingsFile = (stack) => join(root, `Pulumi.${stack}.yaml`);

/** Names of the stacks that have a settings file at the top level. */
export const settingsStacks = () =>
  readdirSync(root).flatMap((name) => /^Pulumi\.([\w.-]+)\.yaml$/.exec(name)?.[1] ?? []);

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * The salt in a stack's state on the clone's own backend.
 * @param {string} stack
 * @returns {string | undefined}
 */
export function stateSalt(stack) {
  const { type, state } =
    JSON.parse(read(checkpointFile(stack)) || "{}").checkpoint?.latest?.secrets_providers ?? {};
  return type === "passphrase" && typeof state?.salt === "string" ? state.salt : undefined;
}

const noteOf = (/** @type {string} */ file) =>
  join(heldDir, `${createHash("sha256").update(file).digest("hex").slice(0, 16)}.json`);

/** @returns {Held[]} */
function held() {
  if (!existsSync(heldDir)) return [];
  return readdirSync(heldDir)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(heldDir, name), "utf8")));
}

/** @param {Held} note */
function hold(note) {
  mkdirSync(heldDir, { recursive: true, mode: 0o700 });
  writeFileSync(`${noteOf(note.file)}.new`, JSON.stringify(note), { mode: 0o600 });
  renameSync(`${noteOf(note.file)}.new`, noteOf(note.file));
}

/** Whether other runs of this clone's launcher go on; forgets those that are no more. */
function othersRun() {
  if (!existsSync(runsDir)) return false;
  const others = readdirSync(runsDir).filter((pid) => Number(pid) !== process.pid);
  return (
    others.filter((pid) => {
      if (isStill(Number(pid), read(join(runsDir, pid)) ?? "")) return true;
      rmSync(join(runsDir, pid), { force: true });
      return false;
    }).length > 0
  );
}

/** Whether the process that took the lock is still there. */
function isHeld() {
  try {
    const [, pid, noted = ""] = /^(\d+) (.*)$/.exec(readlinkSync(lockFile)) ?? [];
    return isStill(Number(pid), noted);
  } catch {
    return true; // given back meanwhile
  }
}

/** One process at a time. @template T @param {() => T} work @returns {T} */
export function alone(work) {
  mkdirSync(stateDir, { recursive: true });
  for (;;) {
    try {
      // A link is made with what it says, at once.
      symlinkSync(`${process.pid} ${identity(process.pid)}`, lockFile);
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
      if (!isHeld()) rmSync(lockFile, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
  try {
    return work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

/** @param {Held} note */
function putBack(note) {
  const text = read(note.file);
  const settled = text === undefined ? undefined : settle(note, text, stateSalt(note.stack));
  if (settled !== undefined && settled !== text) writeFileSync(note.file, settled);
  rmSync(noteOf(note.file), { force: true });
}

/** @param {string} file @param {string} stack @param {boolean} ownPassphrase */
function lendTo(file, stack, ownPassphrase) {
  const text = read(file);
  if (text === undefined) return;
  const note = held().find((other) => other.file === file);
  const salt = stateSalt(stack);
  const before = note ? settle(note, text, salt) : text;
  const lent = lend(before, salt, ownPassphrase);
  hold({ file, stack, before, lent });
  if (lent !== text) writeFileSync(file, lent);
}

/**
 * Puts back what a run that was killed left behind.
 * @returns {string[]} settings files in which another run now has the clone's salt in the place of
 *   the one that is committed
 */
export function restoreSettings() {
  return alone(() => {
    if (othersRun()) {
      return held()
        .filter(({ before, lent }) => saltOf(before) !== undefined && lent !== before)
        .map(({ file }) => file);
    }
    held().forEach(putBack);
    return [];
  });
}

/**
 * Lends a stack's salt to its settings file, until `takeSalts`.
 * @param {string | undefined} stack
 * @param {{ file?: string | undefined, ownPassphrase: boolean }} options
 */
export function lendSalts(stack, { file, ownPassphrase }) {
  alone(() => {
    if (!othersRun()) held().forEach(putBack);
    mkdirSync(runsDir, { recursive: true });
    writeFileSync(join(runsDir, String(process.pid)), identity(process.pid));
    // The other files as well: what has a salt when all is over, and had none, got it from the CLI.
    const known = new Set(held().map((note) => note.file));
    for (const other of settingsStacks()) {
      const path = settingsFile(other);
      const text = read(path) ?? "";
      if (!known.has(path)) hold({ file: path, stack: other, before: text, lent: text });
    }
    if (stack !== undefined) lendTo(file ?? settingsFile(stack), stack, ownPassphrase);
  });
}

/** Takes the salts out again, unless another run still reads them. */
export function takeSalts() {
  alone(() => {
    rmSync(join(runsDir, String(process.pid)), { force: true });
    if (othersRun()) return;
    const notes = held();
    const known = new Set(notes.map(({ file }) => file));
    const moved = notes.find(({ file }) => !existsSync(file));
    notes.forEach(putBack);
    for (const stack of settingsStacks()) {
      const file = settingsFile(stack);
      // Made by the CLI meanwhile, or moved there by `stack rename`.
      if (!known.has(file)) putBack({ before: "", lent: "", ...moved, file, stack });
    }
  });
}
