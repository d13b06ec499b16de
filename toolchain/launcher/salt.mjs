// `pulumi stack init` writes the salt of the clone's passphrase into the stack's settings file, which
// is committed; a committed salt breaks every other clone. So the salt is kept in .state/ and is in
// the file only while the CLI runs.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, stateDir } from "../clone.mjs";

const saltsDir = join(stateDir, "salts");
const runsDir = join(stateDir, "running");
const saltLine = /^encryptionsalt: (\S+)\r?\n?/m;

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** @param {string} stack */
export const settingsFile = (stack) => join(root, `Pulumi.${stack}.yaml`);

/** Names of the stacks that have a settings file at the top level. */
export const settingsStacks = () =>
  readdirSync(root).flatMap((name) => /^Pulumi\.([\w-]+)\.yaml$/.exec(name)?.[1] ?? []);

/** @param {string} text */
export const withoutSalt = (text) => text.replace(saltLine, "");

/**
 * @param {string} text
 * @param {string} salt
 */
export const withSalt = (text, salt) => `encryptionsalt: ${salt}\n${withoutSalt(text)}`;

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Puts the salts into the settings files for as long as some run of the CLI needs them. */
export function lendSalts() {
  mkdirSync(saltsDir, { recursive: true });
  mkdirSync(runsDir, { recursive: true });
  writeFileSync(join(runsDir, String(process.pid)), "");
  for (const stack of settingsStacks()) {
    const salt = read(join(saltsDir, stack));
    const text = read(settingsFile(stack));
    if (salt && !saltLine.test(text)) writeFileSync(settingsFile(stack), withSalt(text, salt));
  }
}

/** Takes them out again, unless another run still reads them. New salts are kept. */
export function takeSalts() {
  rmSync(join(runsDir, String(process.pid)), { force: true });
  const others = readdirSync(runsDir).filter((pid) => {
    if (alive(Number(pid))) return true;
    rmSync(join(runsDir, pid), { force: true });
    return false;
  });
  for (const stack of settingsStacks()) {
    const text = read(settingsFile(stack));
    const salt = saltLine.exec(text)?.[1];
    if (salt === undefined) continue;
    writeFileSync(join(saltsDir, stack), salt, { mode: 0o600 });
    if (others.length === 0) writeFileSync(settingsFile(stack), withoutSalt(text));
  }
}
