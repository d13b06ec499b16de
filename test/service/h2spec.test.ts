// What the authors of HTTP/2's own conformance suite ask of a server, at the service's port.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { find, produce } from "../../toolchain/cache.mjs";
import { goBuild, goFingerprint, goMissing, goVersion } from "../../toolchain/go.mjs";
import { startService } from "./process.ts";

const program = {
  module: join(import.meta.dirname, "h2spec"),
  target: "github.com/summerwind/h2spec/cmd/h2spec",
  output: "h2spec",
};

/** Builds the suite, once per machine, and gives the folder that it is in. */
async function built(): Promise<string> {
  const go = await goVersion(program.module);
  if (go === undefined) throw goMissing();
  const key = [await goFingerprint(program), process.arch, go].join("-");
  const fill = (dir: string): Promise<void> => goBuild(program, dir, () => undefined);
  const { dir } = (await find(program.output, key)) ?? (await produce(program.output, key, fill));
  return dir;
}

test("h2spec finds nothing but that the port speaks HTTP/1.1 as well", async () => {
  const dir = await built();
  const service = await startService();
  try {
    const { hostname, port } = new URL(service.url);
    const { stdout } = spawnSync(join(dir, "h2spec"), ["-h", hostname, "-p", port, "-o", "5"], {
      encoding: "utf8",
    });
    const [, failures = ""] = stdout.split("Failures:");
    const failed = failures.split("\n").filter((line) => line.includes("×"));
    // 3.5/2: a client that begins with something else is one of HTTP/1.1 here, and is answered so.
    expect(failed.map((line) => line.trim())).toEqual(["× 2: Sends invalid connection preface"]);
    expect(stdout).toContain("145 tests, 144 passed, 0 skipped, 1 failed");
  } finally {
    await service.stop();
  }
});
