import { randomBytes } from "node:crypto";
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderId, label, root } from "../../toolchain/clone.mjs";
import { run } from "../../toolchain/process.mjs";
import { ensureImages } from "../../toolchain/steps/images.mjs";
import { baseImages } from "../../toolchain/versions.mjs";

export interface RealRegistry {
  readonly network: string;
  /** Addresses of the containers on the bridge, which this machine reaches. */
  readonly mlflowHost: string;
  readonly s3Host: string;
  /** This machine's own address on the bridge, which containers of every network reach. */
  readonly machine: string;
  readonly accessKey: string;
  readonly secretKey: string;
  remove(): Promise<void>;
}

/** MLflow and an S3 store as a compose file would bring them: two containers on a bridge of theirs. */
export async function realRegistry(): Promise<RealRegistry> {
  await ensureImages(["base-mlflow", "base-minio", "base-node"], { consent: { yes: true } });
  const network = `inference-stack-${folderId}-test-${randomBytes(3).toString("hex")}`;
  const secrets = await mkdtemp(join(tmpdir(), "registry-secrets-"));
  const [accessKey, secretKey] = [randomBytes(8).toString("hex"), randomBytes(16).toString("hex")];
  await writeFile(join(secrets, "s3-access-key"), accessKey);
  await writeFile(join(secrets, "s3-secret-key"), secretKey);
  for (const name of ["start-s3", "start-mlflow"])
    await copyFile(join(root, "infra/dependencies", name), join(secrets, name));
  for (const name of ["", "s3-access-key", "s3-secret-key", "start-s3", "start-mlflow"])
    await chmod(join(secrets, name), 0o755);
  const docker = (...args: string[]): Promise<string> => run("docker", args);
  const labels = [`--label=${label.folder}=${folderId}`];
  await docker("network", "create", ...labels, network);
  const start = async (part: string, memory: string, image: string, command: string[]) => {
    await docker(
      ...["run", "--detach", `--name=${network}-${part}`, `--network=${network}`, ...labels],
      ...[`--network-alias=${part}`, "--user=10001:10001", "--read-only", "--cap-drop=ALL"],
      ...["--security-opt=no-new-privileges", "--tmpfs=/tmp:size=64m,mode=1777"],
      ...[`--memory=${memory}`, `--memory-swap=${memory}`, "--volume=/data"],
      ...[`--volume=${secrets}:/run/inference:ro`, image, ...command],
    );
    return addressOf("IPAddress", part);
  };
  const addressOf = (what: "IPAddress" | "Gateway", part: string): Promise<string> => {
    const format = `{{(index .NetworkSettings.Networks "${network}").${what}}}`;
    return docker("inspect", "--format", format, `${network}-${part}`);
  };
  const remove = async (): Promise<void> => {
    await docker("rm", "--force", "--volumes", `${network}-s3`, `${network}-mlflow`);
    await docker("network", "rm", network);
    await rm(secrets, { recursive: true });
  };
  const s3Host = await start("s3", "512m", baseImages.minio, ["sh", "/run/inference/start-s3"]);
  const mlflowHost = await start("mlflow", "1g", baseImages.mlflow, [
    ...["sh", "/run/inference/start-mlflow", "http://s3:9000", "mlflow"],
    ...["sqlite:////data/mlflow.db", "*"],
  ]);
  // By a container: what engines say of a network itself lacks it until they have been restarted.
  const machine = await addressOf("Gateway", "mlflow");
  const deadline = Date.now() + 180_000;
  for (;;) {
    const healthy = await fetch(`http://${mlflowHost}:5000/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (healthy) return { network, mlflowHost, s3Host, machine, accessKey, secretKey, remove };
    if (Date.now() > deadline) {
      const said = await docker("logs", `${network}-mlflow`);
      await remove();
      throw new Error(`MLflow did not come up: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
