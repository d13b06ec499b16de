// The built command plugin, driven by the real CLI from a Node program of its own.
import { execFile } from "node:child_process";
import { access, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { root } from "../toolchain/clone.mjs";
import {
  projectNode,
  pulumiBin,
  pulumiCli,
  pulumiHome,
  toolchainDir,
} from "../toolchain/paths.mjs";
import { which } from "../toolchain/process.mjs";

const exec = promisify(execFile);

interface CommandArgs {
  create?: string;
  update?: string;
  delete?: string;
  triggers?: unknown[];
  stdin?: string;
  logging?: string;
  assetPaths?: string[];
  archivePaths?: string[];
  addPreviousOutputInEnv?: boolean;
}

/** A program with one Command, whose arguments the environment gives. */
const program = `
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
const args = JSON.parse(process.env.COMMAND_ARGS);
const made = args === null ? undefined : new local.Command("made", args);
export const stdout = made?.stdout.apply((text) => (console.log("stdout is known"), text));
export const stderr = made?.stderr;
export const assets = made?.assets.apply((assets) => Object.keys(assets ?? {}).sort());
export const archived = made?.archive.apply(async (archive) => Object.keys((await archive?.assets) ?? {}).sort());
`;

let dir: string;
let log: string;

const settings = (args: CommandArgs | null) => ({
  cwd: dir,
  env: {
    HOME: dir,
    PATH: [pulumiBin, dirname(projectNode), process.env.PATH].join(delimiter),
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${dir}`,
    PULUMI_CONFIG_PASSPHRASE: "only for this test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    COMMAND_ARGS: JSON.stringify(args),
  },
});

const pulumi = async (args: CommandArgs | null, ...command: string[]) => {
  const flags = ["--non-interactive", "--color=never"];
  const run = exec(pulumiCli, [...command, ...flags], settings(args));
  const { stdout } = await run.catch((error: unknown) => {
    throw new Error((error as { stdout: string }).stdout, { cause: error });
  });
  return stdout;
};

const up = async (args: CommandArgs | null) => {
  const text = await pulumi(args, "up", "--yes", "--skip-preview", "--suppress-progress");
  const outputs = JSON.parse(await pulumi(args, "stack", "output", "--json")) as Record<
    string,
    unknown
  >;
  return { text, outputs, commands: await commandsRun() };
};

/** What the commands wrote since it was last asked. */
const commandsRun = async () => {
  const text = await readFile(log, "utf8").catch(() => "");
  await rm(log, { force: true });
  return text.trim().split("\n");
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "command-plugin-"));
  log = join(dir, "log");
  await writeFile(
    join(dir, "Pulumi.yaml"),
    "name: command-plugin\nruntime:\n  name: nodejs\n  options:\n    typescript: false\nmain: index.mjs\n",
  );
  await writeFile(join(dir, "package.json"), '{ "type": "module" }');
  await writeFile(join(dir, "index.mjs"), program);
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
  await pulumi(null, "stack", "init", "test");
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

// Where there is no Go, the plugin is upstream's own download.
test.runIf(which("go"))("the plugin's own tests pass", async () => {
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-trimpath" };
  const { stdout } = await exec("go", ["test", "./..."], {
    cwd: join(toolchainDir, "plugins", "command"),
    env,
  });
  expect(stdout).toMatch(/^ok\s+inference-stack\/toolchain\/command\/local/m);
});

describe("local.Command through the real CLI", () => {
  test("a preview runs nothing", async () => {
    const text = await pulumi({ create: "touch previewed" }, "preview", "--suppress-progress");
    expect(text).toMatch(/\+ 2 to create/);
    await expect(access(join(dir, "previewed"))).rejects.toThrow();
  });

  test("create runs once, and not again while nothing changes", async () => {
    const args = { create: "echo create >> log; echo out; echo err >&2; cat", stdin: "in" };
    const first = await up(args);
    expect(first.commands).toEqual(["create"]);
    expect(first.outputs).toMatchObject({ stdout: "out\nin", stderr: "err" });
    const second = await up(args);
    expect(second.commands).toEqual([""]);
    expect(second.text).toMatch(/2 unchanged/);
  });

  test("a change without an update command runs create again, seeing the previous output", async () => {
    const { commands, outputs, text } = await up({
      create: 'echo "again after $PULUMI_COMMAND_STDERR" >> log; echo new',
    });
    expect(commands).toEqual(["again after err"]);
    expect(outputs).toMatchObject({ stdout: "new", stderr: "" });
    expect(text).toContain("stdout is known");
    expect(text).toMatch(/~ 1 updated/);
  });

  test("a change with an update command runs that one", async () => {
    const { commands, outputs } = await up({
      create: "echo create >> log",
      update: 'echo update >> log; echo "was $PULUMI_COMMAND_STDOUT"',
      delete: 'echo "delete $PULUMI_COMMAND_STDOUT" >> log',
    });
    expect(commands).toEqual(["update"]);
    expect(outputs).toMatchObject({ stdout: "was new" });
  });

  test("changed triggers replace: create of the new one, then delete of the old one", async () => {
    const args = {
      create: "echo create >> log; echo made",
      update: "echo update >> log",
      delete: 'echo "delete $PULUMI_COMMAND_STDOUT" >> log',
    };
    const added = await up({ ...args, triggers: ["a"] });
    expect(added.commands).toEqual(["create", "delete was new"]);
    const changed = await up({ ...args, triggers: ["b", { c: 1 }] });
    expect(changed.commands).toEqual(["create", "delete made"]);
    expect(changed.text).toMatch(/1 replaced/);
  });

  test("a preview of a change neither runs it nor claims to know its output", async () => {
    const args = { create: "echo previewed >> log", triggers: ["b", { c: 1 }] };
    expect(await pulumi(args, "preview", "--suppress-progress")).not.toContain("stdout is known");
    expect(await commandsRun()).toEqual([""]);
  });

  test("files the command leaves come back as assets and as an archive", async () => {
    const paths = { assetPaths: ["out/**", "!**.log"], archivePaths: ["out/*"] };
    const create = "mkdir -p out/deep && touch out/a.txt out/deep/b.txt out/c.log";
    const found = { assets: ["out/a.txt", "out/deep/b.txt"], archived: ["out/a.txt", "out/c.log"] };
    expect((await up({ create, ...paths })).outputs).toMatchObject(found);
    // An update without any command keeps them, one without paths has none.
    expect((await up({ delete: "true", ...paths })).outputs).toMatchObject(found);
    expect((await up({ create })).outputs).toMatchObject({ assets: [], archived: [] });
  });

  test("a failing command fails the update with its code and what it printed", async () => {
    const failed = up({ create: "echo because of this >&2; exit 3" });
    await expect(failed).rejects.toThrow(/exit status 3[^]*because of this/);
  });

  test("an interrupted update ends the command it was running", async () => {
    const args = { create: "echo $$ > pid; sleep 600" };
    const child = execFile(pulumiCli, ["up", "--yes", "--skip-preview"], settings(args));
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const pidFile = join(dir, "pid");
    const deadline = Date.now() + 30_000;
    while (!(await readFile(pidFile, "utf8").catch(() => "")).trim() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const pid = Number(await readFile(pidFile, "utf8"));
    child.kill("SIGINT");
    await ended;
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });

  test("removing it runs its delete command", async () => {
    await up({ create: "echo for-delete", delete: 'echo "$PULUMI_COMMAND_STDOUT gone" >> log' });
    const { commands } = await up(null);
    expect(commands).toEqual(["for-delete gone"]);
  });
});
