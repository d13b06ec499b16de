import { posix } from "node:path";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { dockerHost } from "./engine.ts";
import { nameFor } from "./random.ts";
import { label } from "../toolchain/clone.mjs";
import { labelList, type Part, type StackIdentity } from "./stack-identity.ts";

/** A file that the processes of a workload can read and not change. */
export interface WorkloadFile {
  readonly path: string;
  /** Marked secret where it is one. */
  readonly content: pulumi.Input<string>;
}

export interface FilesVolumeArgs {
  readonly stack: StackIdentity;
  readonly part: Part;
  readonly files: readonly WorkloadFile[];
  /** User and group that own them. */
  readonly uid: number;
  /** An image with a shell, to write them with. */
  readonly writer: pulumi.Input<string>;
}

/** Lines of `name base64`, as the writer reads them. */
const encode = (files: readonly { name: string; content: string }[]): string =>
  files.map(({ name, content }) => `${name} ${Buffer.from(content).toString("base64")}\n`).join("");

const write = `umask 377; cd /files && while read -r name data; do
  rm -f "$name" && printf %s "$data" | base64 -d > "$name" && chown "$OWNER" "$name" || exit 1
done && sync`;

/**
 * Files for a container in a volume of their own, mounted read-only: the engine refuses uploads into
 * a container with a read-only root, and environment values are seen by anybody who may inspect.
 * Other content is another volume, so a successor is given its own beside its predecessor's.
 */
export class FilesVolume extends pulumi.ComponentResource {
  readonly mount: pulumi.Output<{ source: string; target: string }>;

  constructor(name: string, args: FilesVolumeArgs, opts: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:FilesVolume", name, {}, opts);
    const folders = new Set(args.files.map(({ path }) => posix.dirname(path)));
    const [target] = folders;
    if (target === undefined || folders.size > 1) {
      throw new Error(`files must share one folder, not: ${[...folders].join(", ")}`);
    }
    const encoded = pulumi.all(args.files.map(({ content }) => content)).apply((contents) =>
      encode(
        args.files.map(({ path }, i) => ({
          name: posix.basename(path),
          content: contents[i] ?? "",
        })),
      ),
    );
    // Without a name of ours it has another one each time it is made: one that was lost, and is made
    // anew, is then written anew, and a successor has its name beside its predecessor's.
    const version = nameFor(encoded, name, { parent: this });
    const volume = new docker.Volume(
      name,
      { labels: labelList(args.stack, args.part, { [label.files]: version }) },
      { parent: this },
    );
    const written = new command.local.Command(
      `${name}-write`,
      {
        create:
          `docker -H "$DOCKER_HOST" run --rm -i --network none --cap-drop ALL --cap-add CHOWN ` +
          `--security-opt no-new-privileges --read-only --pids-limit 64 --user 0:0 --entrypoint sh ` +
          `-e OWNER="$OWNER" -v "$VOLUME:/files" "$WRITER" -c '${write}'`,
        environment: {
          DOCKER_HOST: dockerHost(),
          VOLUME: volume.name,
          WRITER: args.writer,
          OWNER: `${args.uid}:${args.uid}`,
        },
        stdin: encoded,
        triggers: [volume.id],
      },
      // One that is written, and read by now, is not written again because the command has changed.
      { parent: this, ignoreChanges: ["environment", "create"] },
    );
    this.mount = pulumi
      .all([volume.name, written.stderr])
      .apply(([source]) => ({ source, target }));
    this.registerOutputs({ mount: this.mount });
  }
}
