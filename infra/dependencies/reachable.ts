import * as pulumi from "@pulumi/pulumi";
import { folderId, label } from "../../toolchain/clone.mjs";
import { baseImages } from "../../toolchain/versions.mjs";
import type { StackConfig } from "../config.ts";
import { docker, dockerJson } from "../engine.ts";
import { UserError } from "../errors.ts";
import { hint } from "../hint.ts";

/** What came of a connection: undefined when it stood, else the system's word, such as ENOTFOUND. */
export type Failure = string | undefined;

export interface Target {
  readonly key: "mlflowUrl" | "s3Url";
  readonly url: string;
}

// Runs where replicas will: their names and routes are not those of this machine. One line for each.
const PROBE = `const net = require("node:net");
for (const given of process.argv.slice(1)) {
  const { hostname, port, protocol } = new URL(given);
  const socket = net.connect(Number(port || (protocol === "https:" ? 443 : 80)), hostname.replace(/[[\\]]/g, ""));
  const end = (code) => { console.log(given + " " + code); socket.destroy(); };
  socket.setTimeout(5000, () => end("ETIMEDOUT"));
  socket.once("connect", () => end("ok")).once("error", (error) => end(error.code));
}`;

/** Arguments of `docker run` for something short that looks at what is on `network`. */
export const probing = (network: string | undefined, memory: string): string[] => [
  ...["--rm", "--pull", "never", "--network", network ?? "bridge"],
  ...["--label", `${label.folder}=${folderId}`],
  ...["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--user", "65534:65534", "--memory", memory, "--memory-swap", memory, "--pids-limit", "64"],
  baseImages.node,
];

/** Connects to each address from a short-lived container on `network`, else on the engine's own. */
async function probe(
  urls: readonly string[],
  network: string | undefined,
): Promise<ReadonlyMap<string, Failure>> {
  const said = await docker(
    ...["run", ...probing(network, "96m"), "node", "-e", PROBE, "--", ...urls],
  );
  return new Map(
    said.split("\n").map((line) => {
      const [url = "", code] = line.split(" ");
      return [url, code === "ok" ? undefined : code];
    }),
  );
}

const UNKNOWN_NAME = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA"]);
const NO_SUCH_HOST = new Set(["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN"]);

/**
 * What to say of a host that gave `failure`: `error` where it does not exist. One that exists and does
 * not answer may be starting, and replicas have kept their model, so that is a `warning`. Pure.
 * @param network where it was looked for, with the names of those who are on it
 */
export function judge(
  stack: string,
  { key, url }: Target,
  failure: Failure,
  network: { readonly name: string; readonly members: readonly string[] } | undefined,
): { readonly severity: "error" | "warning"; readonly text: string } | undefined {
  if (failure === undefined) return undefined;
  const { hostname } = new URL(url);
  const change = `Correct it: ${hint.setKey(stack, key, "ADDRESS")}`;
  if (UNKNOWN_NAME.has(failure)) {
    const where = network
      ? `on the network ${network.name} nothing has the name ${hostname} (on it: ${network.members.join(", ") || "nobody"})`
      : `containers find no host of the name ${hostname}`;
    const or = network ? "" : ", or set dependencyNetwork to the Docker network it is on";
    return { severity: "error", text: `${key} is ${url}, but ${where}. ${change}${or}.` };
  }
  if (NO_SUCH_HOST.has(failure)) {
    const text = `${key} is ${url}, but containers have no way to ${hostname} (${failure}). ${change}.`;
    return { severity: "error", text };
  }
  return {
    severity: "warning",
    text:
      `${key} is ${url}, which does not answer now (${failure}): a replica without a kept model ` +
      "is not ready before it does.",
  };
}

/**
 * Finds out whether the hosts of dependencies that run elsewhere exist, before anything changes.
 * @returns whether all of them answer
 * @throws UserError
 */
export async function checkReachable(
  stack: string,
  config: Pick<StackConfig, "dependencies" | "dependencyNetwork" | "mlflowUrl" | "s3Url">,
): Promise<boolean> {
  if (config.dependencies !== "attach") return false;
  const targets = (["mlflowUrl", "s3Url"] as const).flatMap((key) => {
    const url = config[key];
    return url === undefined ? [] : [{ key, url }];
  });
  const name = config.dependencyNetwork;
  const urls = targets.map(({ url }) => url);
  const results = await probe(urls, name).catch(async (cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    // Such as an overlay that containers may not attach to: this is no reason to refuse it.
    await pulumi.log.warn(`whether ${urls.join(" and ")} exist could not be found out: ${message}`);
    return undefined;
  });
  if (results === undefined) return false;
  const network = name === undefined ? undefined : { name, members: await membersOf(name) };
  for (const target of targets) {
    const verdict = judge(stack, target, results.get(target.url), network);
    if (verdict?.severity === "error") throw new UserError(verdict.text);
    if (verdict) await pulumi.log.warn(verdict.text);
  }
  return urls.every((url) => results.get(url) === undefined);
}

async function membersOf(network: string): Promise<string[]> {
  const [found] = await dockerJson<Record<string, { readonly Name: string }>>(
    ...["network", "inspect", "--format", "{{json .Containers}}", network],
  );
  return Object.values(found ?? {})
    .map(({ Name }) => Name)
    .sort();
}
