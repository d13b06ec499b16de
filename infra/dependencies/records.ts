import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import * as pulumi from "@pulumi/pulumi";
import { unserved } from "../../service/converter/flavor.ts";
import type { Finding, Look, Pointers } from "../../service/converter/look.ts";
import type { Connection } from "../../toolchain/model/connection.ts";
import { bundleScript } from "../bundle.ts";
import type { StackConfig } from "../config.ts";
import { dockerHost } from "../engine.ts";
import { UserError } from "../errors.ts";
import { hint } from "../hint.ts";
import { attachedConnection } from "./connection.ts";
import { probing } from "./reachable.ts";

type Attached = Pick<
  StackConfig,
  "mlflowUrl" | "mlflowToken" | "model" | "modelAlias" | "modelStage"
>;

/** What replicas would ask for, and how they prove who they are. */
function lookOf(connection: Connection): Look {
  const { mlflowUrl, mlflowUser, mlflowPassword, mlflowToken, ca } = connection;
  const { s3Url, s3AccessKey, s3SecretKey } = connection;
  const { model = "", modelAlias = "production", modelStage } = connection;
  return {
    mlflowUrl,
    credentials: mlflowToken
      ? { kind: "bearer", token: mlflowToken }
      : mlflowUser !== undefined && mlflowPassword !== undefined
        ? { kind: "basic", user: mlflowUser, password: mlflowPassword }
        : { kind: "none" },
    reference: {
      name: model,
      pointer: modelStage
        ? { kind: "stage", stage: modelStage }
        : { kind: "alias", alias: modelAlias },
    },
    s3:
      s3Url !== undefined && s3AccessKey !== undefined && s3SecretKey !== undefined
        ? { url: s3Url, accessKey: s3AccessKey, secretKey: s3SecretKey }
        : undefined,
    ...(ca === undefined ? {} : { ca }),
  };
}

const shown = (pointers: Pointers): string =>
  Object.entries(pointers)
    .map(([name, version]) => `${name} (version ${version})`)
    .join(", ");

/** What to do about what a registry or its store refuses. Pure. */
function correction(stack: string, config: Attached, reason: string): string {
  const secret = reason.startsWith("S3 at")
    ? "s3SecretKey"
    : !reason.includes("answered 401")
      ? undefined
      : config.mlflowToken
        ? "mlflowToken"
        : "mlflowPassword";
  return secret === undefined
    ? "Correct what it says"
    : `Correct it, such as with ${hint.setSecret(stack, secret)}`;
}

/**
 * What is wrong with what the registry's records say, and what to do about it; undefined where what the
 * stack asks for can be served. Pure.
 */
export function complaint(
  stack: string,
  config: Attached,
  finding: Exclude<Finding, { readonly kind: "silent" }>,
): string | undefined {
  const { model, mlflowUrl = "", modelStage, modelAlias = "production" } = config;
  const pointer = modelStage ? `stage ${modelStage}` : `alias ${modelAlias}`;
  const again = `then run ${hint.up(stack)} again`;
  switch (finding.kind) {
    case "found": {
      const { flavor, version } = finding;
      if (typeof flavor === "string") return undefined;
      return (
        `version ${version} of the registered model ${model}, which the ${pointer} points at, cannot be ` +
        `served: ${unserved(flavor.other)}. Give the ${pointer} to another version in the MLflow at ` +
        `${mlflowUrl}, or name another model: ${hint.setKey(stack, "model", "NAME")}.`
      );
    }
    case "no model":
      return (
        `model is ${model}, but the MLflow at ${mlflowUrl} has no registered model of this name. ` +
        `It has: ${finding.others.join(", ") || "none"}. Name one: ${hint.setKey(stack, "model", finding.others[0] ?? "NAME")}.`
      );
    case "no pointer": {
      const { aliases, stages } = finding;
      const [alias] = Object.keys(aliases);
      const [stage] = Object.keys(stages).filter((name) => name !== "None");
      const own = modelStage ? "modelStage" : "modelAlias";
      const [key, value] =
        alias !== undefined
          ? ["modelAlias", alias]
          : stage !== undefined
            ? ["modelStage", stage]
            : [own, "NAME"];
      const first =
        config[own] !== undefined && key !== own ? `${hint.removeKey(stack, own)} and ` : "";
      return (
        `no version of the registered model ${model} in the MLflow at ${mlflowUrl} has the ${pointer}. ` +
        `Its aliases: ${shown(aliases) || "none"}; its stages: ${shown(stages) || "none"}. ` +
        (value === "NAME"
          ? `Give the ${pointer} to one of its versions there, ${again}, or name another model: ${hint.setKey(stack, "model", "NAME")}.`
          : `Follow one of them: ${first}${hint.setKey(stack, key, value)}.`)
      );
    }
    case "refused":
      return (
        `the registered model ${model} cannot be had from the MLflow at ${mlflowUrl}: ` +
        `${finding.reason}. ${correction(stack, config, finding.reason)}, ${again}.`
      );
  }
}

/** From its start to its answer; it gives up by itself before. */
const LONGEST_MS = 12_000;

/** Runs the look where replicas will run. What it knows of credentials goes in on standard input alone. */
async function ask(look: Look, network: string | undefined): Promise<Finding> {
  const script = await bundleScript("service/converter/look.ts");
  const node = ["node", "--input-type=module", "-"];
  const child = spawn(
    "docker",
    ["-H", dockerHost(), "run", "--interactive", ...probing(network, "192m"), ...node],
    { timeout: LONGEST_MS, stdio: ["pipe", "pipe", "pipe"] },
  );
  child.stdin.on("error", () => undefined);
  child.stdin.end(`globalThis.look = ${JSON.stringify(look)};\n${script}`);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [said, complained, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ]);
  if (code === 0) return JSON.parse(said) as Finding;
  return {
    kind: "silent",
    reason: complained.trim().split("\n").at(-1) || `it ended with ${code}`,
  };
}

/**
 * Looks at what the registry has, before anything changes. A registry that does not answer stops nobody:
 * replicas have kept their model.
 * @returns whether the model is to be converted; undefined where that could not be found out
 * @throws UserError where what is asked for cannot be served
 */
export async function checkRecords(
  stack: string,
  config: StackConfig,
): Promise<boolean | undefined> {
  const look = lookOf(attachedConnection(stack, config));
  const finding = await ask(look, config.dependencyNetwork);
  if (finding.kind === "silent") {
    await pulumi.log.warn(
      `what the MLflow at ${config.mlflowUrl ?? ""} has could not be found out now (${finding.reason}): ` +
        "replicas that have kept a model serve that.",
    );
    return undefined;
  }
  const wrong = complaint(stack, config, finding);
  if (wrong !== undefined) throw new UserError(wrong);
  return finding.kind === "found" && finding.flavor === "sklearn";
}
