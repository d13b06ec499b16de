// Somebody's own Pulumi: their backend, home, stack names, passphrase and committed salt are respected
// by every way there is into the CLI. Previews only: nothing is brought up.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { versions } from "../toolchain/versions.mjs";
import { type Clone, freshClone, onFreePorts } from "./clone.ts";

let clone: Clone;
let scratch: string;
/** Settings as they were committed. */
let committed: string;

const launcher = () => join(clone.dir, "node_modules", ".bin", "pulumi");
const settings = (stack: string) => join(clone.dir, `Pulumi.${stack}.yaml`);
const checkpoint = (stack: string) =>
  join(clone.dir, ".state/backend/.pulumi/stacks/inference-stack", `${stack}.json`);
const npx = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  clone.run(launcher(), ["--non-interactive", ...args], env);
const gitStatus = () =>
  execFileSync("git", ["status", "--short"], { cwd: clone.dir, encoding: "utf8" });

const previewed = /Container\s+inference-0\s+create/;

/** A salt that a team committed, of a passphrase that is not this clone's, in a file of their style. */
async function teamsSalt(): Promise<string> {
  const backend = mkdtempSync(join(scratch, "team-"));
  await npx(teams(backend), "stack", "init", "team");
  const [line = ""] = /^encryptionsalt: .*$/m.exec(readFileSync(settings("team"), "utf8")) ?? [];
  rmSync(settings("team"));
  expect(line).toMatch(/v1:/);
  return `# ours\n${committed.replace(/^config:/m, `config: # of dev\n`)}\n${line}  # the team's\n`
    .replaceAll(/\n+/g, "\n")
    .replaceAll("\n", "\r\n");
}

const teams = (backend: string): NodeJS.ProcessEnv => ({
  PULUMI_BACKEND_URL: `file://${backend}`,
  PULUMI_CONFIG_PASSPHRASE: "the team's",
});

beforeAll(async () => {
  clone = freshClone("own");
  scratch = mkdtempSync(join(tmpdir(), "own-pulumi-"));
  await onFreePorts(clone);
  committed = readFileSync(settings("dev"), "utf8");
  writeFileSync(settings("eu.west-1_b"), committed);
  const identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
  execFileSync("git", ["add", "-A"], { cwd: clone.dir });
  execFileSync("git", [...identity, "commit", "-qm", "stacks"], { cwd: clone.dir });
  const { output, code } = await clone.run("npm", ["run", "setup", "--", "--yes"], { CI: "true" });
  expect(output).toContain("ready");
  expect(code).toBe(0);
});

beforeEach(() => {
  // Each way in is the first one on a clone that was just set up.
  for (const made of ["backend", "passphrase", "salts", "settings", "running"]) {
    rmSync(join(clone.dir, ".state", made), { recursive: true, force: true });
  }
  rmSync(join(clone.dir, ".state", "pulumi", "workspaces"), { recursive: true, force: true });
});

afterEach(() => {
  execFileSync("git", ["checkout", "-q", "."], { cwd: clone.dir });
});

afterAll(() => {
  clone.remove();
  rmSync(scratch, { recursive: true, force: true });
});

test("the genuine CLI previews the program with a home, a backend and a passphrase of their own", async () => {
  const home = mkdtempSync(join(scratch, "home-"));
  const cli = join(clone.dir, ".state", "pulumi", "versions", versions.pulumi, "bin");
  symlinkSync(join(clone.dir, ".state", "pulumi", "plugins"), join(home, "plugins"));
  const env = {
    ...teams(mkdtempSync(join(scratch, "backend-"))),
    PULUMI_HOME: home,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PATH: `${cli}:${join(clone.dir, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`,
  };
  const pulumi = (...args: string[]) =>
    clone.run(join(cli, "pulumi"), [...args, "--non-interactive"], env);
  expect((await pulumi("stack", "init", "dev")).code).toBe(0);
  const { code, output } = await pulumi("preview");
  expect(output).toMatch(previewed);
  expect(code).toBe(0);
  expect(readFileSync(settings("dev"), "utf8")).toContain("encryptionsalt");
});

describe("npx pulumi", () => {
  test("with a backend and a committed salt of theirs makes no stack and leaves their file alone", async () => {
    const text = await teamsSalt();
    writeFileSync(settings("dev"), text);
    const env = teams(mkdtempSync(join(scratch, "backend-")));
    const missing = await npx(env, "preview", "-s", "dev");
    expect(missing.output).toContain("no stack named 'dev' found");
    expect((await npx(env, "stack", "init", "dev")).code).toBe(0);
    const preview = await npx(env, "preview", "-s", "dev");
    expect(preview.output).toMatch(previewed);
    expect((await npx(env, "config", "get", "cpus", "-s", "dev")).stdout.trim()).toBe("1");
    expect(readFileSync(settings("dev"), "utf8")).toBe(text);
    expect(existsSync(checkpoint("dev"))).toBe(false);
  });

  test("with the clone's own backend puts their committed salt back byte for byte", async () => {
    const text = await teamsSalt();
    writeFileSync(settings("dev"), text);
    const preview = await npx({}, "preview", "-s", "dev");
    expect(preview.output).toMatch(previewed);
    expect(readFileSync(settings("dev"), "utf8")).toBe(text);
    expect((await npx({}, "config", "get", "cpus", "-s", "dev")).stdout.trim()).toBe("1");
    expect(readFileSync(settings("dev"), "utf8")).toBe(text);

    const set = await npx({}, "config", "set", "cpus", "0.5", "-s", "dev");
    expect(set.code).toBe(0);
    const [salt = ""] = /v1:\S+/.exec(text) ?? [];
    expect(readFileSync(settings("dev"), "utf8")).toContain(`encryptionsalt: ${salt}`);
    expect(readFileSync(settings("dev"), "utf8")).toMatch(/cpus: "0.5"/);
  });

  test("killed with -9 while the salt is lent loses nothing", async () => {
    const text = await teamsSalt();
    writeFileSync(settings("dev"), text);
    expect((await npx({}, "config", "get", "cpus", "-s", "dev")).code).toBe(0);
    const child = spawn(launcher(), ["preview", "--non-interactive", "-s", "dev"], {
      cwd: clone.dir,
      stdio: "ignore",
      detached: true,
    });
    const ended = once(child, "close");
    while (readFileSync(settings("dev"), "utf8") === text) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
    expect(readFileSync(settings("dev"), "utf8")).not.toBe(text);

    // Their own backend is next: it has to find their salt.
    const backend = mkdtempSync(join(scratch, "backend-"));
    expect((await npx(teams(backend), "stack", "init", "dev")).code).toBe(0);
    expect(readFileSync(settings("dev"), "utf8")).toBe(text);
    const secret = ["registryPassword", "s3cret", "--secret", "-s", "dev"];
    expect((await npx(teams(backend), "config", "set", ...secret)).code).toBe(0);
  });

  test("twice side by side keeps salts apart", async () => {
    const text = await teamsSalt();
    writeFileSync(settings("dev"), text);
    const runs = await Promise.all([
      npx({}, "preview", "-s", "dev"),
      npx({}, "config", "get", "cpus", "-s", "dev"),
      npx({}, "config", "get", "cpus", "-s", "eu.west-1_b"),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(readFileSync(settings("dev"), "utf8")).toBe(text);
    expect(readFileSync(settings("eu.west-1_b"), "utf8")).toBe(committed);
  });

  test.each([
    ["PULUMI_STACK", { PULUMI_STACK: "eu.west-1_b" }, []],
    ["a name in its letter", {}, ["-seu.west-1_b"]],
    ["a fully qualified name", {}, ["--stack=organization/inference-stack/eu.west-1_b"]],
  ])("makes the stack that is meant by %s, and no other", async (_, env, args) => {
    const { code, output } = await npx(env, "config", "get", "cpus", ...args);
    expect(output).not.toContain("error");
    expect(code).toBe(0);
    expect(existsSync(checkpoint("eu.west-1_b"))).toBe(true);
    expect(existsSync(checkpoint("dev"))).toBe(false);
    expect(gitStatus()).toBe("");
  });

  test("takes the stack that was selected", async () => {
    expect((await npx({}, "stack", "select", "eu.west-1_b")).code).toBe(0);
    expect((await npx({}, "config", "get", "cpus")).code).toBe(0);
    expect(existsSync(checkpoint("dev"))).toBe(false);
  });

  test("works with a home of theirs, writes no plugin into it, and follows its login", async () => {
    const home = mkdtempSync(join(scratch, "home-"));
    const preview = await npx({ PULUMI_HOME: home }, "preview", "-s", "dev");
    expect(preview.output).toMatch(previewed);
    expect(existsSync(checkpoint("dev"))).toBe(true);
    const plugins = join(home, "plugins");
    expect(existsSync(plugins) ? readdirSync(plugins) : []).toEqual([]);
    expect(readdirSync(home)).toContain("workspaces");

    const shared = mkdtempSync(join(scratch, "backend-"));
    const theirs = { PULUMI_HOME: home, PULUMI_CONFIG_PASSPHRASE: "theirs" };
    expect((await npx(theirs, "login", `file://${shared}`)).code).toBe(0);
    expect((await npx(theirs, "stack", "init", "dev")).code).toBe(0);
    expect(existsSync(join(shared, ".pulumi/stacks/inference-stack/dev.json"))).toBe(true);
  });

  test("follows backend.url of Pulumi.yaml", async () => {
    const shared = mkdtempSync(join(scratch, "backend-"));
    const project = join(clone.dir, "Pulumi.yaml");
    writeFileSync(project, `${readFileSync(project, "utf8")}backend:\n  url: file://${shared}\n`);
    const made = await npx({ PULUMI_CONFIG_PASSPHRASE: "theirs" }, "stack", "init", "dev");
    expect(made.code).toBe(0);
    expect(existsSync(join(shared, ".pulumi/stacks/inference-stack/dev.json"))).toBe(true);
  });

  test("in another project leaves this one's stacks alone", async () => {
    const other = join(scratch, "other");
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, "Pulumi.yaml"), "name: other\nruntime: yaml\n");
    await npx({}, "-C", other, "stack", "init", "dev");
    expect(existsSync(checkpoint("dev"))).toBe(false);
    expect(gitStatus()).toBe("");
  });
});

test('a bare pulumi after eval "$(npm run -s env)" is the clone\'s own', async () => {
  const shell = (script: string) =>
    clone.run("bash", ["-c", `eval "$(npm run -s env)" && ${script}`]);
  const first = await shell("pulumi preview --non-interactive -s dev");
  expect(first.output).toMatch(previewed);
  expect(first.code).toBe(0);
  expect(gitStatus()).toBe("");
  const secret = await shell(
    "pulumi config set registryUser user -s dev && pulumi config set --secret registryPassword s3cret -s dev && pulumi config get registryPassword -s dev && pulumi preview --non-interactive -s dev",
  );
  expect(secret.output).toMatch(/^s3cret$/m);
  expect(secret.output).toMatch(previewed);
  expect(secret.code).toBe(0);
  const text = readFileSync(settings("dev"), "utf8");
  expect(text).toMatch(/secure: v1:/);
  expect(text).not.toContain("encryptionsalt");

  // The genuine CLI by its path, in that shell.
  const genuine = `.state/pulumi/versions/${versions.pulumi}/bin/pulumi`;
  const byPath = await shell(`${genuine} config get registryPassword -s dev`);
  expect(byPath.output).toMatch(/^s3cret$/m);
});
