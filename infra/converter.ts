import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { root } from "../toolchain/clone.mjs";
import type { State } from "../toolchain/launcher/state.mjs";
import type { StackConfig } from "./config.ts";
import type { Dependencies } from "./dependencies/index.ts";
import type { WorkloadFile } from "./files-volume.ts";
import { answersOk, isAlive } from "./health-check.ts";
import type { TrafficNetwork } from "./networks.ts";
import { labelList, type StackIdentity } from "./stack-identity.ts";
import { manyThreads, runWorkload } from "./workload.ts";

export interface ConverterArgs {
  readonly stack: StackIdentity;
  /** The service's: it reads registries and tries models as replicas do. */
  readonly image: pulumi.Input<string>;
  /** The one with Python and what unpickles and converts. */
  readonly unpickler: string;
  readonly network: TrafficNetwork;
  /** Where the originals are. */
  readonly dependencies: Dependencies;
  readonly config: Pick<StackConfig, "registerConverted" | "registryInterval">;
}

const TYPE = "inference-stack:index:Converter";

/** Whether a stack has a converter, by its state. Pure. */
export const hasConverter = (state: State | undefined): boolean =>
  state?.some(({ type }) => type === TYPE) ?? false;

const port = 5000;
const settingsFile = "/run/inference/settings.json";
const codeFolder = "/run/unpickler";
/** Where the image has a folder that its user owns: the volume takes that over. */
const sharedFolder = "/data";

/** The longest that a conversion may take. With what is around it, it is told of within a minute. */
const limitSeconds = 50;
/** MB; the larger a model may be, the more of them both it and what is made of it take. */
const exchangeSize = 1024;

/** The longest that replicas may be behind the converter, on whose word they change over. */
const mostBehindMs = 3000;

/** The Python code that converts, as the unpickler is given it. */
const code = (): WorkloadFile[] => {
  const folder = join(root, "toolchain", "model", "python");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".py"))
    .sort()
    .map((name) => ({
      path: `${codeFolder}/${name}`,
      content: readFileSync(join(folder, name), "utf8"),
    }));
};

/** Names a way to convert: code and libraries. Pure. */
const recipeOf = (files: readonly WorkloadFile[], image: string): string =>
  createHash("sha256")
    .update(JSON.stringify([files.map(({ path, content }) => [path, content]), image]))
    .digest("hex")
    .slice(0, 16);

/**
 * Stands before a registry whose models are pickles, and hands out what is made of them. Unpickling runs
 * foreign code: it does in a container without network, credentials or anything that lasts, which gets a
 * model's files and gives back others through memory that both share. What fetches the originals and
 * hands out the results trusts neither.
 */
export class Converter extends pulumi.ComponentResource {
  constructor(name: string, args: ConverterArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPE, name, {}, opts);
    const { stack, image, unpickler, network, dependencies } = args;
    const child = { parent: this };
    const files = code();
    const exchange = new docker.Volume(
      `${name}-exchange`,
      {
        driver: "local",
        // In memory: it has a size that nobody exceeds, and nothing in it is run or stays.
        driverOpts: {
          type: "tmpfs",
          device: "tmpfs",
          o: `size=${exchangeSize}m,nr_inodes=20000,uid=10001,gid=10001,mode=0700,noexec,nosuid,nodev`,
        },
        labels: labelList(stack, "converter"),
      },
      child,
    );
    const shared = [{ source: exchange.name, target: sharedFolder }];
    const common = {
      stack,
      replicas: 1,
      cpus: 1,
      shared,
      stopGraceSeconds: 5,
      // Two at once would take from the same exchange.
      replaceInPlace: true,
    };
    const sandbox = runWorkload(
      "container",
      "unpickler",
      {
        ...common,
        part: "unpickler",
        image: unpickler,
        command: ["python3", `${codeFolder}/worker.py`, sharedFolder],
        memory: 2048,
        processes: manyThreads,
        networks: [],
        files,
        scratch: { "/tmp": 512 },
        healthCheck: isAlive,
      },
      child,
    );
    runWorkload(
      "container",
      name,
      {
        ...common,
        part: "converter",
        image,
        command: [
          ...["node", "/app/converter.mjs", "--settings", settingsFile],
          ...["--exchange", sharedFolder, "--limit", String(limitSeconds)],
          ...["--recipe", recipeOf(files, unpickler)],
          ...(args.config.registerConverted ? ["--register"] : []),
        ],
        memory: 1024 + exchangeSize,
        networks: [
          { network, alias: network.converterName },
          ...(dependencies.network ? [{ network: dependencies.network }] : []),
        ],
        files: [
          {
            path: settingsFile,
            content: pulumi.output(dependencies.settings).apply((registry) =>
              JSON.stringify({
                ...{ host: "0.0.0.0", port },
                registryInterval: `${args.config.registryInterval}ms`,
                ...registry,
              }),
            ),
          },
          ...dependencies.files,
        ],
        data: [{ target: "/var/cache/inference", keep: false }],
        healthCheck: answersOk(port, "/healthz"),
        // A large model is read, converted and tried. One that cannot be served ends it before.
        startSeconds: 300,
      },
      // What is unpickled may start as many processes as it can: who hands it out waits for all its limits.
      { ...child, dependsOn: [sandbox, ...dependencies.ready] },
    );
    this.registerOutputs({});
  }
}

/** Dependencies as replicas see them behind a converter: it is their registry, and they need no key to it. */
export function converted(
  name: string,
  args: ConverterArgs,
  opts: pulumi.ComponentResourceOptions = {},
): Dependencies {
  const { network, dependencies } = args;
  const { mlflowUrl, s3Url, registry, settings } = dependencies;
  const converter = new Converter(name, args, opts);
  const own = Object.fromEntries(Object.entries(settings).filter(([key]) => key !== "s3Url"));
  return {
    ...{ mlflowUrl, s3Url, registry },
    settings: {
      ...own,
      // It asks the registry at the registry's pace; this is only what replicas are behind it.
      registryInterval: `${Math.min(args.config.registryInterval, mostBehindMs)}ms`,
      mlflowUrl: pulumi.interpolate`http://${network.converterName}:${port}`,
    },
    files: [],
    network: undefined,
    ready: [converter],
  };
}
