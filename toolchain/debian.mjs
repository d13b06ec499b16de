// Root file systems of base images, made from Debian's package registry alone.
import { rm } from "node:fs/promises";
import { join } from "node:path";

import { agreed, aptInstall, hasApt, isRoot } from "./consent.mjs";
import { SetupError } from "./errors.mjs";
import { run, which } from "./process.mjs";
import { versions } from "./versions.mjs";

/** What an image does not need to run. */
const ballast = [
  "var/cache/apt",
  "var/lib/apt/lists",
  "var/log",
  "usr/share/doc",
  "usr/share/man",
  "usr/share/locale",
  "usr/share/info",
];

/**
 * Sees to debootstrap before any image is built with it.
 *
 * @param {import("./consent.mjs").Consent} consent
 * @param {(line: string) => void} log
 */
export async function needDebootstrap(consent, log) {
  if (process.platform !== "linux" || !isRoot()) {
    throw new SetupError(
      "base images are built from Debian packages by root on Linux only: run this as root once, or make registry-1.docker.io reachable and set TOOLCHAIN_SOURCE=download",
    );
  }
  if (which("debootstrap")) return;
  if (hasApt() && (await agreed("Base images are built with debootstrap. Install it?", consent))) {
    await aptInstall(["debootstrap", "debian-archive-keyring"], log);
    return;
  }
  throw new SetupError(
    "base images are built with debootstrap, which is not installed: run this with --yes to have it installed, or install it yourself (Debian, Ubuntu: apt-get install debootstrap debian-archive-keyring)",
  );
}

/**
 * Fills a directory with a minimal Debian.
 *
 * @param {string} dir empty
 * @param {{ release?: string, include?: string[], log: (line: string) => void }} options include: further packages
 */
export async function debianRootfs(dir, { release = versions.debian, include = [], log }) {
  const extra = include.length > 0 ? [`--include=${include.join(",")}`] : [];
  await run("debootstrap", ["--variant=minbase", ...extra, release, dir], { onLine: log });
  for (const path of ballast) {
    await run("find", [join(dir, path), "-mindepth", "1", "-delete"]).catch(() =>
      rm(join(dir, path), { recursive: true, force: true }),
    );
  }
}
