// The salt of a stack's passphrase stands in its settings file, which is committed. The clone's own
// backend has a passphrase of its own, so its salts must not stay there: they break every other
// clone, and would take the place of one that a team committed for its own backend. The state
// keeps them too; from there they are lent to the file for as long as the CLI runs. Pure: texts in,
// texts out. What is written when: settings.mjs.
import { isDeepStrictEqual } from "node:util";
import { parse } from "yaml";

const salt = /^(?:encryptionsalt|"encryptionsalt"|'encryptionsalt')[ \t]*:[ \t]*["']?(v[^\s"'#]*)/m;
const saltLine = /^["']?encryptionsalt["']?[ \t]*:[^\n]*(?:\n|$)/m;

/**
 * @param {string} text of a settings file
 * @returns {string | undefined}
 */
export const saltOf = (text) => salt.exec(text)?.[1];

/** @param {string} text */
export const withoutSalt = (text) => text.replace(saltLine, "");

/**
 * Puts a salt in the place of the one that is there, or before everything else that is said.
 * @param {string} text
 * @param {string} value
 */
export function withSalt(text, value) {
  if (saltOf(text) !== undefined) {
    return text.replace(salt, (line, old) => line.slice(0, -old.length) + value);
  }
  // Not into braces: there the CLI takes it from the state, and writes the file anew itself.
  if (/^\uFEFF?\s*(?:#[^\n]*\n\s*|---[^\n]*\n\s*)*[{[]/.test(text)) return text;
  const [head = ""] = /^\uFEFF?(?:(?:[%#][^\n]*|\s*)\n)*---[^\n]*\n|^\uFEFF?/.exec(text) ?? [];
  const end = text.includes("\r\n") ? "\r\n" : "\n";
  return `${head}encryptionsalt: ${value}${end}${text.slice(head.length)}`;
}

/**
 * What the CLI is to read.
 * @param {string} text the settings as they are
 * @param {string | undefined} stateSalt of the stack's state on the clone's own backend
 * @param {boolean} ownPassphrase whether the clone's own passphrase is in use: it fits no salt that
 *   somebody else wrote, so a stack that is yet to be made gets a new one
 */
export function lend(text, stateSalt, ownPassphrase) {
  if (stateSalt === undefined) return ownPassphrase ? withoutSalt(text) : text;
  return saltOf(text) === stateSalt ? text : withSalt(text, stateSalt);
}

/** @param {string} a @param {string} b */
function sayTheSame(a, b) {
  try {
    const [one, other] = [a, b].map((text) => ({ ...parse(text), encryptionsalt: undefined }));
    return isDeepStrictEqual(one, other);
  } catch {
    return false;
  }
}

/**
 * The settings after the CLI ran: as they were, byte for byte, if nothing else than the salt was
 * changed; else what is written there now, with the salt that was there before, if any.
 * @param {{ before: string, lent: string }} held
 * @param {string} text what the file says now
 * @param {string | undefined} stateSalt
 */
export function settle({ before, lent }, text, stateSalt) {
  // Empty: this process was ended between emptying the file and writing it.
  if (text === lent || text === before || text === "") return before;
  const [theirs, given, now] = [saltOf(before), saltOf(lent), saltOf(text)];
  const ours = now !== undefined && now !== theirs && (now === given || now === stateSalt);
  if (now !== undefined && !ours) return text;
  if (now === undefined && given !== undefined) return text;
  if (sayTheSame(text, before)) return before;
  return theirs === undefined ? withoutSalt(text) : withSalt(text, theirs);
}
