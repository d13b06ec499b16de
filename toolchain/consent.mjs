// Changes to the machine itself (system packages) are made only after a yes.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";

import { SetupError } from "./errors.mjs";
import { run, which } from "./process.mjs";

/** @typedef {{ yes: boolean }} Consent */

/** @param {NodeJS.ProcessEnv} env */
export const inCi = (env) => !["", "0", "false"].includes((env.CI ?? "").toLowerCase());

export const isRoot = () => process.getuid?.() === 0;

/** Whether packages can be installed with apt here, with what Debian or Ubuntu calls them. */
export function hasApt() {
  try {
    const release = readFileSync("/etc/os-release", "utf8");
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release) && which("apt-get") !== undefined;
  } catch {
    return false;
  }
}

/**
 * Whether it may be done. Asked on the terminal; where there is none to ask on, as in CI and in
 * scripts, having started the set-up is the yes.
 * @param {string} question ends with what a yes will do
 * @param {Consent} consent
 */
export async function agreed(question, consent) {
  if (consent.yes || inCi(process.env)) return true;
  if (!process.stdin.isTTY) {
    console.log(`${question} Yes: there is no terminal to ask on.`);
    return true;
  }
  // Not on standard output: that may be a file.
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${question} [y/N] `);
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}

/**
 * Installs Debian packages.
 *
 * @param {string[]} packages
 * @param {(line: string) => void} log
 */
export async function aptInstall(packages, log) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  log(`apt-get install ${packages.join(" ")}`);
  try {
    await run("apt-get", ["update"], { env });
    await run("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env });
  } catch (error) {
    throw new SetupError(
      `${packages.join(", ")} cannot be installed with apt-get; install them by hand and run this again`,
      { cause: error },
    );
  }
}
