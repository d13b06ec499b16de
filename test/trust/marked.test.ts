import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { killMarked, mark } from "./marked.ts";

test("all that a marked process started is killed, in whatever group it is and whoever its parent is now", async () => {
  // The first ends at once; what it leaves is nobody's child any more.
  const script = "sleep 600 & setsid sleep 600 & echo started";
  const gone = spawn("bash", ["-c", script], { env: { ...process.env, ...mark } });
  await Promise.all([once(gone.stdout, "data"), once(gone, "exit")]);
  const other = spawn("sleep", ["600"]);
  await once(other, "spawn");
  try {
    expect(killMarked()).toBe(2);
    expect(killMarked()).toBe(0);
    // Both held its output open.
    await once(gone, "close");
    expect(other.exitCode ?? other.signalCode).toBeNull();
  } finally {
    other.kill("SIGKILL");
  }
});
