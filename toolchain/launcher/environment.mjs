// What the Pulumi CLI needs to know in this clone, as environment variables. One place: the
// launcher, `npm run env`, the tests and the capacity search all take it from here.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root, stateDir } from "../clone.mjs";
import { pulumiBin, pulumiHome } from "../paths.mjs";

export const backendDir = join(stateDir, "backend");
const passphraseFile = join(stateDir, "passphrase");

/** Makes the backend's folder and, once per clone, the passphrase that encrypts its secrets. */
function prepareState() {
  mkdirSync(backendDir, { recursive: true, mode: 0o700 });
  if (!existsSync(passphraseFile)) {
    writeFileSync(passphraseFile, randomBytes(32).toString("hex"), { mode: 0o600, flag: "wx" });
  }
}

/**
 * Variables on top of the caller's own. A backend or passphrase that the caller chose is kept:
 * somebody with a backend of their own uses it here as anywhere.
 * @param {NodeJS.ProcessEnv} caller
 * @returns {Record<string, string>}
 */
export function pulumiEnvironment(caller = process.env) {
  prepareState();
  const own = caller["PULUMI_BACKEND_URL"] === undefined;
  const ownPassphrase =
    caller["PULUMI_CONFIG_PASSPHRASE"] === undefined &&
    caller["PULUMI_CONFIG_PASSPHRASE_FILE"] === undefined;
  return {
    PULUMI_HOME: pulumiHome,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(own ? { PULUMI_BACKEND_URL: `file://${backendDir}` } : {}),
    ...(ownPassphrase ? { PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile } : {}),
    // The program is TypeScript run by Node itself, so it has to be the Node of this project.
    PATH: [join(root, "node_modules", ".bin"), pulumiBin, caller["PATH"] ?? ""].join(delimiter),
  };
}
