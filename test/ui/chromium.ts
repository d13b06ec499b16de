// A real Chromium to drive: Debian's package, installed where it is missing.
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";
import { aptInstall, hasApt, isRoot } from "../../toolchain/consent.mjs";

const executablePath = "/usr/bin/chromium";

/** Starts Chromium with a profile of its own, gone when it is closed. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(executablePath)) {
    if (!hasApt() || !isRoot()) {
      throw new Error(`The page is tested in ${executablePath}, which is not there: install it.`);
    }
    console.log("Chromium is missing: installing Debian's package");
    await aptInstall(["chromium"], console.log);
  }
  return chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
