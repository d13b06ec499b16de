// The set-up itself, as a person runs it.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { sha256 } from "../toolchain/cache.mjs";
import { root } from "../toolchain/clone.mjs";
import { pluginDir, projectNode, pulumiHome } from "../toolchain/paths.mjs";
import { which } from "../toolchain/process.mjs";
import { goPieces } from "../toolchain/steps/pulumi.mjs";
import { type Clone, freshClone } from "./clone.ts";

interface Ended {
  code: number | null;
  text: string;
  seconds: number;
}

/** Starts the set-up; env says what differs from this process's, prefix by whom it is started. */
function start(env: NodeJS.ProcessEnv = {}, prefix: string[] = [], args: string[] = []) {
  const [command = "", ...rest] = [...prefix, projectNode, "toolchain/setup.mjs", ...args];
  const child = spawn(command, rest, {
    cwd: root,
    env: { ...process.env, CI: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const started = Date.now();
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  }
  const ended = once(child, "close").then(([code]): Ended => ({
    code: code as number | null,
    text,
    seconds: (Date.now() - started) / 1000,
  }));
  return { child, ended };
}

const setup = (...given: Parameters<typeof start>) => start(...given).ended;

/** Seconds that this machine takes to start what a run that keeps everything starts: Node, Docker's client. */
function startOf(...[command = "", ...args]: string[]): number {
  const started = performance.now();
  execFileSync(command, args, { stdio: "ignore" });
  return (performance.now() - started) / 1000;
}

test("a second run keeps everything, asks no network and takes as long as a few programs' start", async () => {
  await setup({}, [], ["--yes"]);
  const runs = [await setup(), await setup(), await setup()];
  for (const { code, text } of runs) {
    expect(text).toMatch(/^ready/m);
    expect(text).not.toMatch(/reached|built from|pulled|downloaded/);
    expect(code).toBe(0);
  }
  const starts = Array.from(
    { length: 3 },
    () => startOf(projectNode, "--eval", "0") + startOf("docker", "version"),
  );
  // The fastest of each: the slower ones waited for whatever else the machine does.
  const ratio = Math.min(...runs.map(({ seconds }) => seconds)) / Math.min(...starts);
  console.log(`a second run takes ${ratio.toFixed(1)} times the start of Node and Docker's client`);
  expect(ratio).toBeLessThan(30);
});

describe("before set-up", () => {
  let clone: Clone;
  beforeAll(() => {
    clone = freshClone("bare", { bare: true });
  });
  afterAll(() => {
    clone.remove();
  });

  test("every command says in one sentence what to run, on whatever Node there is", async () => {
    const scripts = Object.keys(
      (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object }).scripts,
    ).filter((script) => !["setup", "demo", "test"].includes(script)); // they set up
    expect(scripts).toContain("status");
    for (const script of scripts) {
      const { code, output } = await clone.run("npm", ["run", "-s", script]);
      expect(output, script).toBe(
        "error: this clone is not set up yet: run `npm run setup` first.\n",
      );
      expect(code, script).toBe(1);
    }
  });

  test("npx pulumi says it too, and offers no other package", async () => {
    const { code, output } = await clone.run("npx", ["pulumi", "up"]);
    expect(output).toBe("error: Pulumi is not set up in this clone. Run `npm run setup` first.\n");
    expect(code).toBe(1);
  });

  test("npm ci typed by hand has no warning, and runs no package's script", async () => {
    const { code, output } = await clone.run("npm", ["ci"]);
    expect(output.trim()).toMatch(/^added \d+ packages in \S+$/);
    expect(code).toBe(0);
    const pulumi = await clone.run("npx", ["pulumi", "up"]);
    expect(pulumi.output).toMatch(/Run `npm run setup` first/);
  });

  test("npx pulumi up says it after an update that needs other packages", async () => {
    await mkdir(join(clone.dir, ".state"), { recursive: true });
    await symlink(pulumiHome, join(clone.dir, ".state", "pulumi"));
    const lockfile = join(clone.dir, "package-lock.json");
    const { version } = JSON.parse(
      readFileSync(join(clone.dir, "node_modules", "hono", "package.json"), "utf8"),
    ) as { version: string };
    await writeFile(lockfile, readFileSync(lockfile, "utf8").replaceAll(version, "99.0.0"));
    const { code, output } = await clone.run("npx", ["pulumi", "up", "--yes"]);
    expect(output).toMatch(
      /^error: the Node packages here are not those .* Run `npm run setup`, then this again\.$/m,
    );
    expect(code).toBe(1);
    expect((await clone.run("npx", ["pulumi", "up", "--help"])).code).toBe(0);
  });
});

describe("what cannot be", () => {
  test.each([
    [
      { TOOLCHAIN_SOURCE: "banana" },
      [],
      1,
      /^setup: TOOLCHAIN_SOURCE=banana .*download or registries/,
    ],
    [{}, ["--fast"], 2, /^setup: Unknown option '--fast'/],
    [{}, ["--images", "nonesuch"], 1, /^setup: there is no image nonesuch: choose from base-/m],
    [
      { DOCKER_HOST: "unix:///nonexistent.sock" },
      [],
      1,
      /^setup: the Docker engine at unix:\/\/\/nonexistent.sock does not answer/m,
    ],
  ])("%o %o ends in one sentence", async (env, args, code, sentence) => {
    const ended = await setup(env, [], args);
    expect(ended.text).toMatch(sentence);
    expect(ended.text).not.toMatch(/^\s+at /m);
    expect(ended.code).toBe(code);
  });

  test("a user without Docker is told what to have installed", async () => {
    const bin = await mkdtemp(join(tmpdir(), "no-docker-"));
    await symlink(projectNode, join(bin, "node"));
    // As root the same machine would offer to install one. The clone may lie in a folder of root's alone.
    const read = "+dac_read_search";
    const dropped = ["--reuid=65534", "--regid=65534", "--clear-groups"].concat(
      `--inh-caps=${read}`,
      `--ambient-caps=${read}`,
    );
    const nobody = process.getuid?.() === 0 ? [which("setpriv") ?? "setpriv", ...dropped] : [];
    const env = { PATH: bin, DOCKER_HOST: "" };
    const { code, text } = await setup(env, nobody);
    await rm(bin, { recursive: true });
    expect(text).toMatch(/^setup: no Docker engine answers and only root may install one: have/m);
    expect(text).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
  });
});

// Where there is no Go, nothing is built: such a machine downloads.
describe.runIf(which("go"))("with a cache of its own", () => {
  let cache: string;
  let env: NodeJS.ProcessEnv;
  const entries = async () => {
    const names = await readdir(join(cache, "inference-stack")).catch(() => []);
    return names.filter((name) => name !== "tmp" && name !== "sources.json");
  };

  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), "setup-cache-"));
    // Go's own cache is found by XDG_CACHE_HOME too; what is compiled there stays of use.
    const GOCACHE = execFileSync("go", ["env", "GOCACHE"], { encoding: "utf8" }).trim();
    env = { XDG_CACHE_HOME: cache, TOOLCHAIN_SOURCE: "registries", GOCACHE };
  });

  afterAll(async () => {
    await rm(cache, { recursive: true, force: true });
  });

  test("a set-up killed with -9 leaves nothing believed, the next one completes", async () => {
    const { child, ended } = start(env);
    while (!(await readdir(join(cache, "inference-stack", "tmp")).catch(() => [])).length) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    await ended;
    expect(await entries()).toEqual([]);

    const { code, text } = await setup(env, [], ["--yes"]);
    expect(text).toMatch(/^ready/m);
    expect(code).toBe(0);
    expect(await entries()).toEqual(expect.arrayContaining(goPieces.map(({ name }) => name)));
    expect(await readdir(join(cache, "inference-stack", "tmp"))).toEqual([]);
  });

  test("a damaged piece is noticed and made again, in the cache and where it is used", async () => {
    const [key = ""] = await readdir(join(cache, "inference-stack", "resource-command"));
    const piece = join(
      cache,
      "inference-stack",
      "resource-command",
      key,
      "pulumi-resource-command",
    );
    const whole = await sha256(piece);
    const file = await open(piece, "r+");
    await file.write("damaged", (await stat(piece)).size / 2);
    await file.close();

    const { code, text } = await setup(env);
    expect(text).toMatch(/Command plugin .*: its cached copy is damaged .*making it again/);
    expect(text).toMatch(/✓ Command plugin .* built from Go modules/);
    expect(text).not.toMatch(/✓ (Docker plugin|Pulumi CLI)/);
    expect(code).toBe(0);
    expect(await sha256(piece)).toBe(whole);
    expect(await sha256(join(pluginDir("command"), "pulumi-resource-command"))).toBe(whole);
  });
});
