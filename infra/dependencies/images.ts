import * as pulumi from "@pulumi/pulumi";
import { SetupError } from "../../toolchain/errors.mjs";
import { ensureImages } from "../../toolchain/steps/images.mjs";
import { baseImages } from "../../toolchain/versions.mjs";
import type { StackConfig } from "../config.ts";
import { docker } from "../engine.ts";
import { UserError } from "../errors.ts";

/** Ids of the images that the dependencies run on. */
export interface DependencyImages {
  readonly mlflow: string;
  readonly s3: string;
  /** Only where it is asked for. */
  readonly postgres?: string | undefined;
}

const imageId = (tag: string): Promise<string> =>
  docker("image", "inspect", "--format", "{{.Id}}", tag);

/**
 * The images of MLflow and the S3 store, made or pulled where they are missing: no set-up needs them
 * that has no use for them. A preview makes nothing. @throws UserError
 */
export async function dependencyImages({
  mlflowDatabase,
}: Pick<StackConfig, "mlflowDatabase">): Promise<DependencyImages> {
  const withPostgres = mlflowDatabase === "postgres";
  const names = ["base-mlflow", "base-minio", ...(withPostgres ? ["base-postgres"] : [])];
  const ids = () =>
    Promise.all([
      imageId(baseImages.mlflow),
      imageId(baseImages.minio),
      withPostgres ? imageId(baseImages.postgres) : undefined,
    ]);
  if (pulumi.runtime.isDryRun()) {
    const found = await ids().catch(() => undefined);
    if (found === undefined) {
      await pulumi.log.info("the images of MLflow and S3 are not here yet; `up` makes them");
    }
    const [mlflow, s3, postgres] = found ?? [
      baseImages.mlflow,
      baseImages.minio,
      baseImages.postgres,
    ];
    return { mlflow, s3, postgres };
  }
  try {
    await ensureImages(names, {
      log: (line) => void pulumi.log.info(line),
    });
  } catch (cause) {
    if (!(cause instanceof SetupError)) throw cause;
    throw new UserError(
      `the images of MLflow and S3 cannot be made: ${cause.message}\n` +
        `\`npm run setup -- --images ${names.join(",")}\` makes them apart from the stack.`,
      { cause },
    );
  }
  const [mlflow, s3, postgres] = await ids();
  return { mlflow, s3, postgres };
}
