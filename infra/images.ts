import { createHash } from "node:crypto";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Build, BuiltPart } from "./builds.ts";
import type { StackConfig } from "./config.ts";
import { labels, ownName, type StackIdentity } from "./stack-identity.ts";

type Registry = Pick<
  StackConfig,
  "imageRepository" | "imageTag" | "registryUser" | "registryPassword"
>;

/** Where an image is pushed, and as what. */
export interface Destination {
  /** Registry and repository, without a scheme. */
  readonly repository: string;
  readonly tag: string;
  /** As the provider's `authConfig` wants it: `http://` asks for plain HTTP. */
  readonly address: string;
}

/**
 * `user/repo` is on Docker Hub; a first part with a dot, a port or the name localhost is a registry.
 * The service is the repository's main image, so it alone has the plain tag.
 */
export function destination(config: Registry, part: string, hash: string): Destination | undefined {
  if (config.imageRepository === undefined) return undefined;
  const [, scheme = "", repository = ""] =
    /^(https?:\/\/)?(.*)$/.exec(config.imageRepository) ?? [];
  const first = repository.split("/")[0] ?? "";
  const host = /[.:]|^localhost$/.test(first) ? first : "registry-1.docker.io";
  const suffix = part === "service" ? "" : `-${part}`;
  return {
    repository,
    tag: `${config.imageTag ?? hash.slice(0, 12)}${suffix}`,
    address: `${scheme === "" ? "https://" : scheme}${host}`,
  };
}

export interface AppImageArgs extends Build {
  readonly stack: StackIdentity;
  readonly part: BuiltPart;
  readonly registry: Registry;
}

/**
 * An image of this project, built when its content changes, pushed where the configuration says, and
 * known by digest (pushed) or id (local), never by a tag that could come to mean something else.
 */
export class AppImage extends pulumi.ComponentResource {
  readonly reference: pulumi.Output<string>;

  constructor(name: string, args: AppImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:AppImage", name, {}, opts);
    const { context, base, stack, part, registry } = args;
    // The tag covers the base too: what is replaced never shares a name with its successor.
    const content = createHash("sha256").update(`${context.hash} ${base.id}`).digest("hex");
    const to = destination(registry, part, content);
    const tagged = to
      ? `${to.repository}:${to.tag}`
      : pulumi.interpolate`${ownName(stack, part)}:${content.slice(0, 12)}`;
    const built = new docker.RemoteImage(
      name,
      {
        name: tagged,
        build: {
          context: context.dir,
          buildArgs: { BASE: base.tag },
          label: labels(stack, "image"),
        },
        triggers: { content },
        // A container that is still stopping may hold it for a moment.
        forceRemove: true,
      },
      { parent: this },
    );
    this.reference = to ? this.#push(name, to, tagged, built, registry) : built.imageId;
    this.registerOutputs({ reference: this.reference });
  }

  #push(
    name: string,
    to: Destination,
    tagged: pulumi.Input<string>,
    built: docker.RemoteImage,
    registry: Registry,
  ): pulumi.Output<string> {
    const pushed = new docker.RegistryImage(
      name,
      {
        name: tagged,
        keepRemotely: true,
        triggers: { image: built.imageId },
        authConfig: {
          address: to.address,
          username: registry.registryUser ?? "",
          password: pulumi.secret(registry.registryPassword?.reveal() ?? ""),
        },
      },
      // Deleted first, as it would be for its name, it would take with it what has the digest in its own
      // name: the secret of a service that still runs.
      { parent: this, dependsOn: [built], deleteBeforeReplace: false },
    );
    return pulumi.interpolate`${to.repository}@${pushed.sha256Digest}`;
  }
}
