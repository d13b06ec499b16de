import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { filesBelow, find, fingerprint, install, produce } from "./cache.mjs";

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "cache-"));
  vi.stubEnv("XDG_CACHE_HOME", home);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const fill = (text: string) => (dir: string) => writeFile(join(dir, "tool"), text);
const scratch = () => readdir(join(home, "inference-stack", "tmp")).catch(() => []);

describe("the cache", () => {
  test("gives back what was put in", async () => {
    expect(await find("tool", "1")).toBeUndefined();
    const made = await produce("tool", "1", fill("whole"));
    expect(made.bytes).toBe(5);
    expect(await find("tool", "1")).toEqual(made);
    expect(await readFile(join(made.dir, "tool"), "utf8")).toBe("whole");
    expect(await find("tool", "2")).toBeUndefined();
  });

  test("holds nothing of a failed build", async () => {
    const failing = produce("tool", "1", async (dir) => {
      await fill("half")(dir);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await find("tool", "1")).toBeUndefined();
    expect(await scratch()).toEqual([]);
  });

  test("holds nothing of a build killed halfway, and sweeps what it left", async () => {
    const module = new URL("cache.mjs", import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { writeFileSync } from "node:fs";
         import { produce } from ${JSON.stringify(module)};
         await produce("tool", "1", async (dir) => {
           writeFileSync(dir + "/tool", "half");
           console.log("halfway");
           await new Promise((resolve) => setTimeout(resolve, 60_000));
         });`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await scratch()).toHaveLength(1);
    expect(await find("tool", "1")).toBeUndefined();
    await produce("tool", "1", fill("whole"));
    expect(await scratch()).toEqual([]);
    expect(await find("tool", "1")).toBeDefined();
  });

  test.each([
    ["changed byte", (dir: string) => writeFile(join(dir, "tool"), "whale")],
    ["file cut off", (dir: string) => truncate(join(dir, "tool"), 2)],
    ["file gone", (dir: string) => rm(join(dir, "tool"))],
    ["manifest cut off", (dir: string) => truncate(join(dir, "manifest.json"), 9)],
    ["manifest gone", (dir: string) => rm(join(dir, "manifest.json"))],
  ])("takes an entry away with a %s, and says so", async (_, damage) => {
    const { dir } = await produce("tool", "1", fill("whole"));
    await damage(dir);
    const said: string[] = [];
    expect(await find("tool", "1", (line) => said.push(line))).toBeUndefined();
    expect(said.join()).toMatch(/cached copy .*making it again/);
    await produce("tool", "1", fill("whole"));
    expect(await find("tool", "1")).toBeDefined();
  });

  test("two set-ups at once end with one whole entry", async () => {
    const made = await Promise.all(["a", "a", "a"].map((text) => produce("tool", "1", fill(text))));
    expect(new Set(made.map(({ dir }) => dir)).size).toBe(1);
    expect(await find("tool", "1")).toBeDefined();
    expect(await scratch()).toEqual([]);
  });

  test("installs the same bytes, again where they were damaged", async () => {
    const { dir } = await produce("tool", "1", fill("whole"));
    const to = join(home, "deep", "er", "tool");
    await install(join(dir, "tool"), to);
    const { ino } = await stat(to);
    await install(join(dir, "tool"), to);
    expect((await stat(to)).ino).toBe(ino);
    await rm(to);
    await writeFile(to, "whale");
    await install(join(dir, "tool"), to);
    expect(await readFile(to, "utf8")).toBe("whole");
    expect(await filesBelow(join(home, "deep"))).toEqual(["er/tool"]);
  });

  test("a fingerprint follows content and words, not times", async () => {
    const file = join(home, "source.go");
    await writeFile(file, "one");
    const before = await fingerprint([home], ["v1"]);
    await writeFile(file, "one");
    expect(await fingerprint([home], ["v1"])).toBe(before);
    expect(await fingerprint([home], ["v2"])).not.toBe(before);
    await writeFile(file, "two");
    expect(await fingerprint([home], ["v1"])).not.toBe(before);
  });
});
