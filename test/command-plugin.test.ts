// The command plugin, ours or upstream's own, driven by the real CLI from a Node program of its own.
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
import { builtHere } from "./plugin-build.ts";

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

/**
 * A program with one Command, whose arguments the environment gives. Where that is asked for, one more
 * whose triggers hold its output as a secret, in the list or as a whole, and one that is made once.
 */
const program = `
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
const args = JSON.parse(process.env.COMMAND_ARGS);
const made = args === null ? undefined : new local.Command("made", args);
const secret = made && pulumi.secret(made.stdout);
const triggers = { within: [secret], whole: pulumi.all([secret]) }[process.env.SECRET_TRIGGERS];
if (triggers) new local.Command("triggered", { create: "true", triggers });
if (process.env.MADE_ONCE) {
  const { madeOnce } = await import(process.env.MADE_ONCE);
  madeOnce("once", { create: "date +%N", environment: { TEXT: process.env.TEXT } });
}
export const stdout = made?.stdout.apply((text) => (console.log("stdout is known"), text));
export const stderr = made?.stderr;
export const assets = made?.assets.apply((assets) => Object.keys(assets ?? {}).sort());
export const archived = made?.archive.apply(async (archive) => Object.keys((await archive?.assets) ?? {}).sort());
`;

let dir: string;
let log: string;

/** How long any one command of Pulumi may take here: its own waits have no end. */
const limitMs = 3 * 60_000;

type Env = Readonly<Record<string, string>>;

const settings = (args: CommandArgs | null, env: Env = {}) => ({
  cwd: dir,
  timeout: limitMs,
  killSignal: "SIGKILL" as const,
  env: {
    HOME: dir,
    PATH: [pulumiBin, dirname(projectNode), process.env.PATH].join(delimiter),
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${dir}`,
    PULUMI_CONFIG_PASSPHRASE: "only for this test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    COMMAND_ARGS: JSON.stringify(args),
    ...env,
  },
});

const pulumi = (args: CommandArgs | null, ...command: string[]) => pulumiWith({}, args, ...command);

const pulumiWith = async (env: Env, args: CommandArgs | null, ...command: string[]) => {
  const flags = ["--non-interactive", "--color=never"];
  const run = exec(pulumiCli, [...command, ...flags], settings(args, env));
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

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
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
    // Made anew, so that nothing is read back.
    const none = { assets: [], archived: [] };
    expect((await up({ create, triggers: ["without"] })).outputs).toMatchObject(none);
  });

  test("a list with a secret element that a preview does not know is refused, one that is secret as a whole is not", async () => {
    const previewWith = (SECRET_TRIGGERS: string) =>
      pulumiWith(
        { SECRET_TRIGGERS },
        { create: "date +%N", triggers: [SECRET_TRIGGERS] },
        "preview",
      );
    await expect(previewWith("within")).rejects.toThrow(
      'malformed RPC secret: missing value for "triggers"',
    );
    expect(await previewWith("whole")).toMatch(/\+ +command:local:Command +triggered +create/);
  });

  test("nothing is recorded that the program does not say", async () => {
    const args = { create: "true", logging: "none" };
    await up(args);
    const state = JSON.parse(await pulumi(args, "stack", "export")) as {
      deployment: { resources: { type: string; inputs: object; outputs: object }[] };
    };
    const made = state.deployment.resources.find(({ type }) => type === "command:local:Command");
    expect(made?.inputs).toEqual(args);
    expect(made?.outputs).toEqual({ ...args, stdout: "", stderr: "" });
  });

  test("what is made once is kept over a change of its text, also by a state in which a default was recorded", async () => {
    const once = (TEXT: string) => ({ MADE_ONCE: join(root, "infra", "made-once.ts"), TEXT });
    interface Made {
      urn: string;
      inputs: Record<string, unknown>;
      outputs: Record<string, unknown>;
    }
    const exported = async () => {
      const state = JSON.parse(await pulumi(null, "stack", "export")) as {
        deployment: { resources: Made[] };
      };
      const made = state.deployment.resources.find(({ urn }) => urn.endsWith("::once"));
      if (!made) throw new Error("it was not made");
      return { state, made };
    };
    const up = (text: string) => pulumiWith(once(text), null, "up", "--yes", "--skip-preview");
    await up("one");
    const { state, made } = await exported();
    made.inputs["addPreviousOutputInEnv"] = true;
    made.outputs["addPreviousOutputInEnv"] = true;
    const file = join(dir, "state.json");
    await writeFile(file, JSON.stringify(state));
    await pulumi(null, "stack", "import", "--file", file);
    await up("another");
    expect((await exported()).made.outputs["stdout"]).toBe(made.outputs["stdout"]);
  });

  test("a failing command fails the update with its code and what it printed", async () => {
    const failed = up({ create: "echo because of this >&2; exit 3" });
    await expect(failed).rejects.toThrow(/exit status 3[^]*because of this/);
  });

  test("an interrupted update ends the command it was running, and, with ours, what that started", async () => {
    // Upstream's plugin ends the shell alone, so there the shell has to become what it starts.
    const create = builtHere("command")
      ? "sleep 600 & echo $! > pid; wait"
      : "echo $$ > pid; exec sleep 600";
    const child = execFile(pulumiCli, ["up", "--yes", "--skip-preview"], settings({ create }));
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const pidFile = join(dir, "pid");
    const pid = async () => Number(await readFile(pidFile, "utf8").catch(() => ""));
    // The child has a limit of its own, after which there is nothing to wait for.
    while (!(await pid()) && child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const started = await pid();
    expect(started).toBeGreaterThan(0);
    child.kill("SIGINT");
    await ended;
    // Long before it would have ended by itself; an orphan is gone when init has taken note of its end.
    await expect.poll(() => alive(started), { timeout: 60_000 }).toBe(false);
  });

  test("removing it runs its delete command", async () => {
    await up({ create: "echo for-delete", delete: 'echo "$PULUMI_COMMAND_STDOUT gone" >> log' });
    const { commands } = await up(null);
    expect(commands).toEqual(["for-delete gone"]);
  });
});
