// What the Pulumi CLI needs to know in this clone, as environment variables. One place: the
// launcher, `npm run env`, the tests and the capacity search all take it from here.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root } from "../clone.mjs";
import { pluginDir, pulumiBin } from "../paths.mjs";
import { backendDir, backendUrl, chosen, passphraseFile } from "./backend.mjs";
import { noteUse } from "./locks.mjs";

/** Makes the backend's folder and, once per clone, the passphrase that encrypts its secrets. */
function prepareState() {
  mkdirSync(backendDir, { recursive: true, mode: 0o700 });
  noteUse();
  if (!existsSync(passphraseFile)) {
    writeFileSync(passphraseFile, randomBytes(32).toString("hex"), { mode: 0o600, flag: "wx" });
  }
}

/** The clone's own backend, as the launcher reads it: project by project, in plain JSON. */
const backend = {
  PULUMI_BACKEND_URL: backendUrl,
  PULUMI_DIY_BACKEND_GZIP: "false",
  PULUMI_DIY_BACKEND_LEGACY_LAYOUT: "false",
  // A settings file without a salt is the rule here: see salt.mjs.
  PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
};

/**
 * Variables on top of the caller's own. A home, backend or passphrase that the caller chose is
 * kept: somebody with a Pulumi of their own uses it here as anywhere.
 * @param {NodeJS.ProcessEnv} caller
 * @returns {Record<string, string>}
 */
export function pulumiEnvironment(caller = process.env) {
  prepareState();
  const { ownBackend, home, ownHome, ownPassphrase } = chosen(caller);
  return {
    PULUMI_HOME: home,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(ownBackend ? backend : {}),
    // What the clone's passphrase encrypted on another backend, no other clone could ever read.
    ...(ownPassphrase ? { PULUMI_CONFIG_PASSPHRASE_FILE: ownBackend ? passphraseFile : "" } : {}),
    PATH: [
      // The program is TypeScript run by Node itself, so it has to be the Node of this project.
      join(root, "node_modules", ".bin"),
      pulumiBin,
      caller["PATH"] ?? "",
      // The CLI looks for plugins in its home, where nothing is written that is not ours, then here.
      ...(ownHome ? [] : [pluginDir("docker"), pluginDir("command")]),
    ].join(delimiter),
  };
}
