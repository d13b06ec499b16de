import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { settingsFile } from "../toolchain/launcher/settings.mjs";
import { folderId, label } from "../toolchain/clone.mjs";
import {
  earlierIdentity,
  engineOf,
  readState,
  recordedIdentity,
  type State,
} from "../toolchain/launcher/state.mjs";
import { docker, type EngineInfo, ofStack } from "./engine.ts";
import { originOf } from "./origin.ts";
import { checkEngine } from "./same-engine.ts";
import type { Birth } from "./stack-identity.ts";

/** What the state of the stack at hand records, or undefined where no backend says. */
export async function stateAtHand(): Promise<State | undefined> {
  const name = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  try {
    return readState(name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    await pulumi.log.warn(
      `what an update that was killed may have left is not looked for: the state of ${name} cannot be ` +
        `exported (${reason.split("\n")[0] ?? ""})`,
    );
    return undefined;
  }
}

/** Whether something on the engine has this identity and runs, though no state of this stack knows it. */
const isTaken = async (identity: string): Promise<boolean> =>
  (await docker("ps", "-q", ...ofStack(identity))) !== "";

/**
 * What an earlier version called a stack, that is up or kept its data when it was destroyed: the data is
 * found by it. It called all stacks of a folder so. Undefined where another one has the name as well: what
 * that one has would be taken for what no state records.
 */
async function earlierName(state: State | undefined, stack: string): Promise<string | undefined> {
  const name = earlierIdentity(state);
  if (name !== undefined) {
    const format = ["--format", `{{.Label "${label.stack}"}}`];
    const stacks = (await docker("ps", "-a", ...format, ...ofStack(name))).split("\n");
    return stacks.every((other) => other === "" || other === stack) ? name : undefined;
  }
  const data = ["--filter", `label=${label.stack}=${stack}`, ...ofStack(folderId)];
  const keepsData = (await docker("volume", "ls", "-q", ...data)) !== "";
  return keepsData && !(await isTaken(folderId)) ? folderId : undefined;
}

/**
 * What the stack is made of that its state may not know yet.
 * @throws UserError where it is on another engine
 */
export async function birthOf(
  state: State | undefined,
  engine: EngineInfo,
  allowed: string | undefined,
): Promise<Birth> {
  const stack = pulumi.getStack();
  checkEngine(stack, engineOf(state), engine, allowed);
  const known = recordedIdentity(state) ?? (await earlierName(state, stack));
  if (known !== undefined) return { origin: known, engine: engine.ID };
  const settings = settingsText(stack);
  const origin = originOf({
    organization: pulumi.getOrganization(),
    project: pulumi.getProject(),
    stack,
    settings,
  });
  const own = (await isTaken(origin)) ? randomBytes(4).toString("hex") : origin;
  return { origin: own, engine: engine.ID };
}

function settingsText(stack: string): string {
  try {
    return readFileSync(settingsFile(stack), "utf8");
  } catch {
    return "";
  }
}
