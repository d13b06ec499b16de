// Python packages from their registry, for images: fetched by this machine's pip, as a build inside
// a container would know neither its proxy nor its certificates.
import { agreed, aptInstall, hasApt, isRoot } from "./consent.mjs";
import { SetupError } from "./errors.mjs";
import { run, which } from "./process.mjs";

/** Oldest C library the wheels may ask for: that of the Debian release of the base images. */
const glibc = ["2_36", "2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17"];

/** @type {Partial<Record<NodeJS.Architecture, string>>} */
const machines = { x64: "x86_64", arm64: "aarch64" };

/** @returns {Promise<string | undefined>} the python3 on PATH, where it has pip */
async function pythonWithPip() {
  const python = which("python3");
  if (!python) return undefined;
  return run(python, ["-m", "pip", "--version"]).then(
    () => python,
    () => undefined,
  );
}

/**
 * Sees to pip before any image is built with it.
 *
 * @param {import("./consent.mjs").Consent} consent
 * @param {(line: string) => void} log
 */
export async function needPip(consent, log) {
  if (await pythonWithPip()) return;
  const question = "Python packages for images are fetched with pip. Install it?";
  if (hasApt() && isRoot() && (await agreed(question, consent))) {
    await aptInstall(["python3-pip"], log);
    return;
  }
  throw noPip();
}

const noPip = () =>
  new SetupError(
    "python3 with pip is needed to fetch Python packages for images, and is not on PATH: install it (Debian, Ubuntu: apt-get install python3-pip)",
  );

/**
 * Fills a directory with locked packages for the CPython of the base images.
 *
 * @param {string} dir
 * @param {string} lock a requirements file with digests
 * @param {{ python: string, log: (line: string) => void }} options python: its version, "3.11"
 */
export async function pythonPackages(dir, lock, { python, log }) {
  const machine = machines[process.arch];
  if (!machine) throw new SetupError(`there are no locked Python packages for ${process.arch}`);
  const platforms = [
    ...glibc.map((version) => `manylinux_${version}_${machine}`),
    `manylinux2014_${machine}`,
  ];
  const args = [
    ...["-m", "pip", "install", "--no-deps", "--require-hashes", "--only-binary=:all:"],
    ...["--no-compile", "--disable-pip-version-check", "--progress-bar=off"],
    ...["--python-version", python, "--implementation", "cp"],
    ...platforms.map((platform) => `--platform=${platform}`),
    ...["--target", dir, "--requirement", lock],
  ];
  const found = await pythonWithPip();
  if (!found) throw noPip();
  await run(found, args, { onLine: log });
}
