import { baseImages } from "../toolchain/versions.mjs";
import { type BuildContext, bundle } from "./bundle.ts";
import type { StackConfig } from "./config.ts";
import { type DependencyImages, dependencyImages, unpicklerImage } from "./dependencies/images.ts";
import { type BaseImage, baseImage, type Found } from "./preflight.ts";

/** The images that this project builds, and the folder each is described in. */
const sources = { service: "service", gateway: "infra/gateway", loadtest: "loadtest" } as const;

export type BuiltPart = keyof typeof sources;

/** What an image is made of. */
export interface Build {
  readonly context: BuildContext;
  readonly base: BaseImage;
}

/** The service has none where a published image is deployed. */
export type Builds = Readonly<Record<Exclude<BuiltPart, "service">, Build>> & {
  readonly service: Build | undefined;
  /** Only where the stack brings MLflow and S3. */
  readonly dependencies?: DependencyImages | undefined;
  /** Id of the image that converts models, where there are some to convert. */
  readonly unpickler?: string | undefined;
};

async function prepare(part: BuiltPart): Promise<Build> {
  const context = await bundle(sources[part]);
  return { context, base: await baseImage(baseImages[context.base]) };
}

/** Makes the build contexts on the host; nothing is built yet. @throws UserError */
export async function prepareBuilds(
  config: StackConfig,
  { converts }: Pick<Found, "converts">,
): Promise<Builds> {
  const [service, gateway, loadtest, dependencies, unpickler] = await Promise.all([
    config.image === undefined ? prepare("service") : undefined,
    prepare("gateway"),
    prepare("loadtest"),
    config.dependencies === "deploy" ? dependencyImages(config) : undefined,
    converts ? unpicklerImage() : undefined,
  ]);
  return { service, gateway, loadtest, dependencies, unpickler };
}
