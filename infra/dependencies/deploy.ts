import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { root } from "../../toolchain/clone.mjs";
import type { Connection } from "../../toolchain/model/connection.ts";
import { publishedAt } from "../address.ts";
import { publishesMlflow, type StackConfig } from "../config.ts";
import { dockerHost } from "../engine.ts";
import type { WorkloadFile } from "../files-volume.ts";
import { answersOk } from "../health-check.ts";
import { madeOnce } from "../made-once.ts";
import { type Network, ownNetwork } from "../networks.ts";
import { randomSecret } from "../random.ts";
import type { StackIdentity } from "../stack-identity.ts";
import { manyThreads, runWorkload } from "../workload.ts";
import { followed } from "./connection.ts";
import type { DependencyImages } from "./images.ts";
import type { Dependencies } from "./index.ts";
import { registrySettings } from "./settings.ts";

export interface DeployArgs {
  readonly stack: StackIdentity;
  readonly config: StackConfig;
  readonly images: DependencyImages;
}

const folder = "/run/inference";

/** The port of the host: the one configured, or one that was free when the stack first asked for it. */
function mlflowPort(
  stack: string,
  { mlflowPort, apiPort, loadtestPort, bind }: StackConfig,
  opts: pulumi.CustomResourceOptions,
): pulumi.Input<number> {
  if (mlflowPort !== undefined) return mlflowPort;
  const found = madeOnce(
    "mlflow-port",
    {
      create: "node_modules/.bin/node infra/dependencies/free-port.ts",
      dir: root,
      environment: { STACK: stack, BIND: bind, AVOID: `${apiPort} ${loadtestPort}` },
    },
    opts,
  );
  return found.stdout.apply(Number);
}

const script = (name: string): WorkloadFile => ({
  path: `${folder}/${name}`,
  content: readFileSync(join(import.meta.dirname, name), "utf8"),
});

/**
 * MLflow, its database where it has one of its own, and an S3 store on a network of their own. Only
 * MLflow is published, and on loopback alone: it asks nobody who they are. Their data survives as
 * `keepData` says. With `s3Url` configured, artifacts go to that store instead of a new one.
 */
export class DeployedDependencies extends pulumi.ComponentResource implements Dependencies {
  readonly settings: Readonly<Record<string, string>>;
  /** None: MLflow hands out the artifacts, so replicas need no key to the store. */
  readonly files: readonly WorkloadFile[] = [];
  readonly network: Network;
  readonly ready: readonly pulumi.Resource[];
  readonly mlflowUrl = "http://mlflow:5000";
  readonly publishedUrl: pulumi.Output<string> | undefined;
  readonly s3Url: string;
  readonly registry: pulumi.Output<Connection>;

  constructor(name: string, args: DeployArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:Dependencies", name, {}, opts);
    const { stack, config, images } = args;
    const child = { parent: this };
    this.s3Url = config.s3Url ?? "http://s3:9000";
    this.network = ownNetwork(
      name,
      { stack, what: name, overlay: false },
      // A component's dependencies are not its children's. Whoever is on the network goes before these.
      { ...child, dependsOn: opts?.dependsOn ?? [] },
    );

    const accessKey = config.s3AccessKey?.reveal() ?? "inference-stack";
    const secretKey = config.s3SecretKey
      ? pulumi.secret(config.s3SecretKey.reveal())
      : randomSecret("s3-secret-key", child);
    const keys: WorkloadFile[] = [
      { path: `${folder}/s3-access-key`, content: pulumi.secret(accessKey) },
      { path: `${folder}/s3-secret-key`, content: secretKey },
    ];
    const common = {
      stack,
      replicas: 1,
      cpus: 1,
      data: [{ target: "/data", keep: config.keepData }],
      scratch: { "/tmp": 64 },
      stopGraceSeconds: 10,
      // Two at once would write to the same data.
      replaceInPlace: true,
    };

    const s3 =
      config.s3Url === undefined
        ? [
            runWorkload(
              "container",
              "s3",
              {
                ...common,
                part: "s3",
                image: images.s3,
                command: ["sh", `${folder}/start-s3`],
                memory: 512,
                processes: manyThreads,
                networks: [{ network: this.network, alias: "s3" }],
                files: [script("start-s3"), ...keys],
                healthCheck: answersOk(9000, "/minio/health/live"),
                startSeconds: 60,
              },
              child,
            ),
          ]
        : [];
    const password =
      config.mlflowDatabase === "postgres" ? randomSecret("postgres-password", child) : undefined;
    const postgres = password
      ? [
          runWorkload(
            "container",
            "postgres",
            {
              ...common,
              part: "postgres",
              image: images.postgres ?? "",
              command: ["sh", `${folder}/start-postgres`],
              memory: 256,
              networks: [{ network: this.network, alias: "postgres" }],
              files: [
                script("start-postgres"),
                { path: `${folder}/postgres-password`, content: password },
              ],
              healthCheck: ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=mlflow"],
              startSeconds: 60,
            },
            child,
          ),
        ]
      : [];
    const records = password
      ? {
          address: `postgresql+psycopg2://mlflow@postgres:5432/mlflow?passfile=${folder}/pgpass`,
          files: [
            {
              path: `${folder}/pgpass`,
              content: pulumi.secret(pulumi.interpolate`postgres:5432:mlflow:mlflow:${password}\n`),
            },
          ],
          data: [],
        }
      : { address: "sqlite:////data/mlflow.db", files: [], data: common.data };
    const port = publishesMlflow(config) ? mlflowPort(stack.name, config, child) : undefined;
    const mlflow = runWorkload(
      "container",
      "mlflow",
      {
        ...common,
        part: "mlflow",
        image: images.mlflow,
        command: [
          ...["sh", `${folder}/start-mlflow`, this.s3Url, config.s3Bucket ?? "mlflow"],
          ...[records.address, `mlflow:*,localhost,localhost:*,127.0.0.1:*,${config.bind}:*`],
        ],
        // 650 MB at rest, and of an artifact that comes quickly it holds several times the size.
        memory: 2048,
        processes: manyThreads,
        networks: [{ network: this.network, alias: "mlflow" }],
        files: [script("start-mlflow"), ...keys, ...records.files],
        data: records.data,
        // What it works on is on disk: an artifact is written down whole before it goes to the store.
        ...(records.data.length === 0 ? { volumes: ["/data"] } : {}),
        ...(port === undefined
          ? {}
          : { publish: { inside: 5000, outside: port, bind: config.bind } }),
        healthCheck: answersOk(5000, "/health"),
        startSeconds: 180,
      },
      { ...child, dependsOn: [...s3, ...postgres] },
    );

    this.publishedUrl =
      port === undefined
        ? undefined
        : pulumi
            .all([port, ...mlflow.ids])
            .apply(([outside]) => `http://${publishedAt(config.bind)}:${outside}`);
    this.settings = registrySettings(config, this.mlflowUrl);
    this.registry = pulumi.secret(
      pulumi.all([this.network.name, secretKey]).apply(([network, s3SecretKey]) => ({
        mlflowUrl: this.mlflowUrl,
        s3Url: this.s3Url,
        network,
        s3AccessKey: accessKey,
        s3SecretKey,
        ...followed(config),
      })),
    );
    const published = new command.local.Command(
      "demonstration-model",
      {
        create: "node_modules/.bin/node toolchain/model/served.ts",
        dir: root,
        environment: { STACK: stack.name, DOCKER_HOST: dockerHost() },
        // It is secret, and must not become an argument.
        stdin: this.registry.apply((connection) => JSON.stringify(connection)),
        triggers: [...mlflow.ids],
      },
      { ...child, additionalSecretOutputs: ["stdout", "stderr"] },
    );
    this.ready = [published];
    // Known before there is a model: `npm run model` finds it here when `up` ends for the lack of one.
    this.registerOutputs({ registry: this.registry });
  }
}
