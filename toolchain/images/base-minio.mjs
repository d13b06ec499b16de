// MinIO's server, built from its Go module: it is archived, and no image of it is published any more.
import { join } from "node:path";

import { debianRootfs } from "../debian.mjs";
import { goBuild } from "../go.mjs";
import { toolchainDir } from "../paths.mjs";
import { baseImages } from "../versions.mjs";
import { dataFolder } from "./base-mlflow.mjs";

const module = join(toolchainDir, "images", "base-minio");

/** @type {import("../steps/images.mjs").Recipe} */
export default {
  image: baseImages.minio,
  byDefault: false,
  inputs: [module],
  config: [
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV HOME=/tmp",
    "ENTRYPOINT []",
    'CMD ["minio", "server", "/data"]',
    "USER 10001:10001",
  ],
  async rootfs(dir, log) {
    await debianRootfs(dir, { include: ["ca-certificates"], log });
    const program = { module, target: "github.com/minio/minio", output: "minio" };
    await goBuild(program, join(dir, "usr/local/bin"), log);
    await dataFolder(dir);
  },
};
