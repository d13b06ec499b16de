import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Client } from "minio";
import { folderId, label, root } from "../../toolchain/clone.mjs";
import { run } from "../../toolchain/process.mjs";
import { ensureImages } from "../../toolchain/steps/images.mjs";
import { baseImages } from "../../toolchain/versions.mjs";
import mlflow2 from "../images/mlflow-2.mjs";
import { until } from "./service.ts";
import { predicted, training } from "./somebodys-models.ts";
import type { Truth } from "./truth.ts";

/** All that is somebody's, to be compared with what it was. */
export interface Theirs {
  /** As the engine describes it. */
  readonly network: { readonly Containers: Readonly<Record<string, unknown>> };
  /** The containers: what they were made with, where they are on networks and since when they run. */
  readonly members: readonly unknown[];
  readonly models: unknown;
  readonly versions: unknown;
  /** In the bucket: names with their digests. */
  readonly objects: readonly string[];
}

export interface SomebodysMlflow {
  readonly network: string;
  /** Addresses on the network. */
  readonly mlflowUrl: string;
  readonly s3Url: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /**
   * Of the model `iris_species`, by version. Version 1, a pipeline, was logged with a signature and an
   * input example; 2, a forest, with a signature; 3 with neither; 4, with both, is an estimator of their
   * own. Beside it they have `draft`, in no stage and under no alias, and `house_rules`, of the
   * python_function flavor alone.
   */
  readonly truth: Readonly<Record<string, Truth>>;
  /** Moves a version into the stage Production, and what was there out of it. */
  promote(model: string, version: string): Promise<void>;
  alias(model: string, alias: string, version: string): Promise<void>;
  snapshot(): Promise<Theirs>;
  remove(): Promise<void>;
}

const bucket = "mlflows3";

/** The two ways in which MLflow has its artifacts in a bucket, each in one of the versions. */
const kinds = {
  // Clients reach the store by themselves.
  "2.22.5": { image: mlflow2.image, flags: ["--default-artifact-root", `s3://${bucket}/runs`] },
  // The server hands them on.
  "3.17.2": { image: baseImages.mlflow, flags: ["--artifacts-destination", `s3://${bucket}/runs`] },
} as const;

/**
 * MLflow and an S3 store of an older compose project, by plain `docker run` on its network, with models
 * that were trained in there. The network's name is `proyecto2_default` with an end of its own.
 */
export async function somebodysMlflow(version: keyof typeof kinds): Promise<SomebodysMlflow> {
  const consent = { yes: true };
  await ensureImages(["base-mlflow", "base-minio"], { consent });
  await ensureImages(["mlflow-2"], { consent, folder: join(root, "test/images") });
  const { image, flags } = kinds[version];
  const network = `proyecto2_default_${randomBytes(3).toString("hex")}`;
  const [accessKey, secretKey] = [randomBytes(8).toString("hex"), randomBytes(16).toString("hex")];
  const docker = (...args: string[]): Promise<string> => run("docker", args);
  // For whoever has to clear up after a test that was killed; no stack knows it.
  const marked = `--label=${label.folder}=${folderId}`;
  const members = { minio: `${network}-minio-1`, mlflow: `${network}-mlflow-1` };
  const [mlflowUrl, s3Url] = ["http://mlflow:5000", "http://minio:9000"];
  const settings = [
    ...[`--env=AWS_ACCESS_KEY_ID=${accessKey}`, `--env=AWS_SECRET_ACCESS_KEY=${secretKey}`],
    ...[`--env=MLFLOW_S3_ENDPOINT_URL=${s3Url}`, "--env=MLFLOW_SERVER_ALLOWED_HOSTS=*"],
    ...["--env=MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "--env=DO_NOT_TRACK=true"],
    ...["--env=GIT_PYTHON_REFRESH=quiet", `--env=MLFLOW_TRACKING_URI=${mlflowUrl}`],
  ];
  /** @returns its address on the bridge, which this machine reaches */
  const start = async (part: keyof typeof members, ...rest: string[]): Promise<string> => {
    const name = members[part];
    await docker(
      ...["run", "--detach", `--name=${name}`, `--network=${network}`, `--network-alias=${part}`],
      ...[marked, ...rest],
    );
    const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
    return docker("inspect", "--format", format, name);
  };
  const remove = async (): Promise<void> => {
    await docker("rm", "--force", "--volumes", ...Object.values(members));
    await docker("network", "rm", network);
  };

  await docker("network", "create", marked, network);
  try {
    const s3Host = await start(
      ...(["minio", "--memory=512m", "--volume=/data"] as const),
      ...[`--env=MINIO_ROOT_USER=${accessKey}`, `--env=MINIO_ROOT_PASSWORD=${secretKey}`],
      ...[baseImages.minio, "minio", "server", "/data"],
    );
    const mlflowHost = await start(
      ...(["mlflow", "--memory=1g", "--volume=/data"] as const),
      ...settings,
      ...[image, "python3", "-m", "mlflow", "server", "--host=0.0.0.0", "--workers=1"],
      ...["--backend-store-uri=sqlite:////data/mlflow.db", ...flags],
    );
    const store = new Client({ endPoint: s3Host, port: 9000, useSSL: false, accessKey, secretKey });
    await until("their store takes a bucket", async () => {
      if (!(await store.bucketExists(bucket))) await store.makeBucket(bucket);
      return true;
    });
    const rest = async (path: string, body?: unknown): Promise<unknown> => {
      const reply = await fetch(`http://${mlflowHost}:5000${path}`, {
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
      const text = await reply.text();
      if (!reply.ok) throw new Error(`their MLflow ${version} said ${reply.status}: ${text}`);
      return text === "OK" ? text : JSON.parse(text);
    };
    await until(
      "their MLflow is up, or has ended",
      async () => {
        const state = await docker("inspect", "--format", "{{.State.Running}}", members.mlflow);
        return state === "false" || (await rest("/health").catch(() => "")) === "OK";
      },
      180_000,
    );
    const trained = await docker(
      ...["run", "--rm", `--network=${network}`, "--memory=2g", marked, ...settings],
      ...[image, "python3", "-c", training],
    );
    const api = "/api/2.0/mlflow";
    return {
      ...{ network, mlflowUrl, s3Url, bucket, accessKey, secretKey },
      truth: predicted(trained)["iris_species"] ?? {},
      async promote(name, number) {
        const move = {
          name,
          version: number,
          stage: "Production",
          archive_existing_versions: true,
        };
        await rest(`${api}/model-versions/transition-stage`, move);
      },
      async alias(name, alias, number) {
        await rest(`${api}/registered-models/alias`, { name, alias, version: number });
      },
      async snapshot() {
        const [described] = JSON.parse(await docker("network", "inspect", network)) as [
          Theirs["network"],
        ];
        const containers = JSON.parse(await docker("inspect", ...Object.values(members))) as {
          readonly Config: unknown;
          readonly HostConfig: unknown;
          readonly NetworkSettings: unknown;
          readonly State: { readonly StartedAt: string };
        }[];
        return {
          network: described,
          members: containers.map(({ Config, HostConfig, NetworkSettings, State }) => ({
            ...{ Config, HostConfig, NetworkSettings, startedAt: State.StartedAt },
          })),
          models: await rest(`${api}/registered-models/search`),
          versions: await rest(`${api}/model-versions/search`),
          objects: (await store.listObjects(bucket, "", true).toArray())
            .map(({ name, etag }) => `${name ?? ""} ${etag ?? ""}`)
            .sort(),
        };
      },
      remove,
    };
  } catch (error) {
    const said = await run("sh", ["-c", `docker logs --tail=50 ${members.mlflow} 2>&1`]).catch(
      String,
    );
    await remove().catch(() => undefined);
    throw new Error(`somebody's MLflow ${version} did not come up; it said: ${said}`, {
      cause: error,
    });
  }
}
