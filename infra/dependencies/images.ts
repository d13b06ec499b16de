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
 * Ids of base images, made or pulled where they are missing: no set-up needs them that has no use for
 * them. A preview makes nothing, and calls those that are missing by their tags. @throws UserError
 */
async function idsOf(
  what: string,
  wanted: readonly { readonly recipe: string; readonly tag: string }[],
): Promise<string[]> {
  const ids = () => Promise.all(wanted.map(({ tag }) => imageId(tag)));
  if (pulumi.runtime.isDryRun()) {
    const found = await ids().catch(() => undefined);
    if (found === undefined) {
      await pulumi.log.info(`the images of ${what} are not here yet; \`up\` makes them`);
    }
    return found ?? wanted.map(({ tag }) => tag);
  }
  const names = wanted.map(({ recipe }) => recipe);
  try {
    await ensureImages(names, {
      log: (line) => void pulumi.log.info(line),
    });
  } catch (cause) {
    if (!(cause instanceof SetupError)) throw cause;
    throw new UserError(
      `the images of ${what} cannot be made: ${cause.message}\n` +
        `\`npm run setup -- --images ${names.join(",")}\` makes them apart from the stack.`,
      { cause },
    );
  }
  return ids();
}

const mlflowImage = { recipe: "base-mlflow", tag: baseImages.mlflow };

/** Those of MLflow and the S3 store. @throws UserError */
export async function dependencyImages({
  mlflowDatabase,
}: Pick<StackConfig, "mlflowDatabase">): Promise<DependencyImages> {
  const [mlflow = "", s3 = "", postgres] = await idsOf("MLflow and S3", [
    mlflowImage,
    { recipe: "base-minio", tag: baseImages.minio },
    ...(mlflowDatabase === "postgres"
      ? [{ recipe: "base-postgres", tag: baseImages.postgres }]
      : []),
  ]);
  return { mlflow, s3, postgres };
}

/** The one that has what unpickles and converts models. @throws UserError */
export async function unpicklerImage(): Promise<string> {
  const [image = ""] = await idsOf("what converts models", [mlflowImage]);
  return image;
}
