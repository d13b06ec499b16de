// A real Chromium to drive: Debian's package, installed where it is missing.
import { chromium, type Browser } from "playwright-core";
import { needProgram } from "../support/programs.ts";

/** Starts Chromium with a profile of its own, gone when it is closed. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = await needProgram("chromium");
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
