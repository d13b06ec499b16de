// The real stack, brought up with other limits by Pulumi's own Automation API. Trials run in a project
// folder of their own, with a copy of the stack's settings: the stack's own settings file is never
// written, so whatever ends a search, it is as it was.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import {
  ConcurrentUpdateError,
  LocalWorkspace,
  PulumiCommand,
  Stack,
} from "@pulumi/pulumi/automation/index.js";
import { parseDocument } from "yaml";
import { UserError } from "../../infra/errors.ts";
import { hint } from "../../infra/hint.ts";
import type { Platform } from "../../infra/workload.ts";
import { root, stateDir } from "../../toolchain/clone.mjs";
import { pulumiEnvironment } from "../../toolchain/launcher/environment.mjs";
import { clearDeadLocks } from "../../toolchain/launcher/locks.mjs";
import { inspectStack } from "../../toolchain/launcher/recover.mjs";
import { withoutSalt } from "../../toolchain/launcher/salt.mjs";
import { settingsFile } from "../../toolchain/launcher/settings.mjs";
import { ownBackend, readState } from "../../toolchain/launcher/state.mjs";
import { pulumiBin, pulumiCli } from "../../toolchain/paths.mjs";
import type { Limits } from "./space.ts";

const prefix = "inference-stack";

/** A settings file's text with other limits; everything else in it stays. Pure. */
export function withLimits(text: string, { cpus, memory, replicas }: Limits): string {
  const document = parseDocument(text);
  const set = (key: string, value: string): void => {
    document.setIn(["config", `${prefix}:${key}`], value);
  };
  set("cpus", String(cpus));
  set("memory", `${memory}MB`);
  set("replicas", String(replicas));
  return document.toString();
}

/** The lines of the CLI's output that say what went wrong. */
function complaint(output: string): string {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^(\* |error:)/.test(line) && !/update failed|error occurred/.test(line));
  return (
    [...new Set(lines)]
      .slice(0, 3)
      .join(" ")
      .replaceAll(/error: |\* /g, "") || "no reason given"
  );
}

/** The configuration could not be brought up: that is a result, not a mistake. */
export class NotReady extends Error {}

const folder = join(stateDir, "capacity", "project");

/**
 * What runs a stack, as its settings say.
 * @throws UserError where there is no such stack
 */
export function platformOf(name: string): Platform {
  if (!existsSync(settingsFile(name))) {
    throw new UserError(
      `there is no stack ${name} in this project: Pulumi.${name}.yaml is missing.`,
    );
  }
  const settings = parseDocument(readFileSync(settingsFile(name), "utf8"));
  return settings.getIn(["config", `${prefix}:platform`]) === "swarm" ? "swarm" : "container";
}

export class StackUnderTrial {
  readonly name: string;
  readonly platform: Platform;
  readonly #stack: Stack;

  private constructor(stack: Stack, name: string, platform: Platform) {
    this.#stack = stack;
    this.name = name;
    this.platform = platform;
  }

  /** @throws UserError where the project is not set up or the stack is not there */
  static async open(name: string): Promise<StackUnderTrial> {
    if (!existsSync(pulumiCli)) {
      throw new UserError("Pulumi is not set up in this clone. Run `npm run setup` first.");
    }
    const platform = platformOf(name);
    mkdirSync(folder, { recursive: true });
    const infra = join(folder, "infra");
    rmSync(infra, { force: true });
    symlinkSync(realpathSync(join(root, "infra")), infra);
    writeFileSync(join(folder, "Pulumi.yaml"), readFileSync(join(root, "Pulumi.yaml")));
    writeSettings(name, (text) => text);
    const workspace = await LocalWorkspace.create({
      workDir: folder,
      pulumiCommand: await PulumiCommand.get({ root: dirname(pulumiBin) }),
      envVars: pulumiEnvironment(),
    });
    try {
      return new StackUnderTrial(await Stack.select(name, workspace), name, platform);
    } catch (cause) {
      throw new UserError(`the stack ${name} is not up. Bring it up first: ${hint.up(name)}.`, {
        cause,
      });
    }
  }

  /**
   * Brings the stack up with these limits, its replicas new.
   * @returns id of the service's image
   * @throws NotReady when it did not come up
   */
  async up(limits: Limits): Promise<string> {
    writeSettings(this.name, (text) => withLimits(text, limits));
    const known = new Set((readState(this.name) ?? []).map(({ urn }) => urn));
    return this.#run(replicaUrns(this, limits.replicas).filter((urn) => known.has(urn)));
  }

  /** Back to what the settings file says. */
  async restore(): Promise<void> {
    writeSettings(this.name, (text) => text);
    await this.#run([]);
  }

  async #run(replace: string[]): Promise<string> {
    let output = "";
    const keep = (text: string): void => {
      output = (output + text).slice(-20_000);
    };
    for (let waited = 0; ; waited += 1) {
      // What a killed run left: a lock, and records of what is gone.
      if (ownBackend()) clearDeadLocks(this.name);
      const { lost } = inspectStack(this.name, process.env);
      try {
        const { outputs } = await this.#stack.up({
          ...(replace.length > 0 ? { replace } : {}),
          ...(lost.length > 0 ? { refresh: true } : {}),
          color: "never",
          suppressProgress: true,
          onOutput: keep,
          onError: keep,
        });
        return String(outputs["image"]?.value);
      } catch (cause) {
        if (!(cause instanceof ConcurrentUpdateError)) {
          throw new NotReady(complaint(output || String(cause)), { cause });
        }
        // The CLI of a search that was killed ends its own work first.
        if (waited === 60) {
          throw new UserError(
            `another update of ${this.name} has gone on for two minutes. Wait for it, or run ${hint.cancel(this.name)}.`,
            { cause },
          );
        }
        await setTimeout(2000);
      }
    }
  }

  /** Writes limits into the settings file, as `pulumi config set` would; the rest of it stays. */
  apply(limits: Limits): void {
    const file = settingsFile(this.name);
    writeFileSync(file, withLimits(readFileSync(file, "utf8"), limits));
  }

  /** What the next `pulumi up` would change, as the CLI shows it. */
  async preview(): Promise<string> {
    writeSettings(this.name, (text) => text);
    const { stdout } = await this.#stack.preview({ color: "never", suppressProgress: true });
    return stdout;
  }
}

/** Copies the stack's settings, changed, into the folder of the trials. */
function writeSettings(stack: string, change: (text: string) => string): void {
  const text = change(readFileSync(settingsFile(stack), "utf8"));
  // Without a salt the CLI takes that of the state.
  const said = ownBackend() ? withoutSalt(text) : text;
  writeFileSync(join(folder, `Pulumi.${stack}.yaml`), said, { mode: 0o600 });
}

/** What makes up the replicas: a container each, or the one service, on Swarm. */
function replicaUrns({ name, platform }: StackUnderTrial, replicas: number): string[] {
  const urn = (workload: string, resource: string): string =>
    `urn:pulumi:${name}::${prefix}::${prefix}:index:InferenceService$${prefix}:index:${workload}$docker:index/${resource}`;
  return platform === "swarm"
    ? [urn("ServiceWorkload", "service:Service::inference")]
    : Array.from({ length: replicas }, (_, i) =>
        urn("ContainerWorkload", `container:Container::inference-${i}`),
      );
}
