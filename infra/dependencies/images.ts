import * as pulumi from "@pulumi/pulumi";
import { SetupError } from "../../toolchain/errors.mjs";
import { ensureImages } from "../../toolchain/steps/images.mjs";
import { baseImages } from "../../toolchain/versions.mjs";
import { docker } from "../engine.ts";
import { UserError } from "../errors.ts";

/** Ids of the images that the dependencies run on. */
export interface DependencyImages {
  readonly mlflow: string;
  readonly s3: string;
}

const imageId = (tag: string): Promise<string> =>
  docker("image", "inspect", "--format", "{{.Id}}", tag);

/**
 * The images of MLflow and the S3 store, made or pulled where they are missing: no set-up needs them
 * that has no use for them. A preview makes nothing. @throws UserError
 */
export async function dependencyImages(): Promise<DependencyImages> {
  const ids = () => Promise.all([imageId(baseImages.mlflow), imageId(baseImages.minio)]);
  if (pulumi.runtime.isDryRun()) {
    const found = await ids().catch(() => undefined);
    if (found === undefined) {
      await pulumi.log.info("the images of MLflow and S3 are not here yet; `up` makes them");
    }
    const [mlflow, s3] = found ?? [baseImages.mlflow, baseImages.minio];
    return { mlflow, s3 };
  }
  try {
    await ensureImages(["base-mlflow", "base-minio"], {
      log: (line) => void pulumi.log.info(line),
    });
  } catch (cause) {
    if (!(cause instanceof SetupError)) throw cause;
    throw new UserError(
      `the images of MLflow and S3 cannot be made: ${cause.message}\n` +
        "`npm run setup -- --images base-mlflow,base-minio` makes them apart from the stack.",
      { cause },
    );
  }
  const [mlflow, s3] = await ids();
  return { mlflow, s3 };
}
