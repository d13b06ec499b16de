// Debian with the very Node that runs the project's scripts on the host.
import { chmod, copyFile } from "node:fs/promises";
import { join } from "node:path";

import { debianRootfs } from "../debian.mjs";
import { projectNode } from "../paths.mjs";
import { baseImages, versions } from "../versions.mjs";

/** @type {import("../steps/images.mjs").Recipe} */
export default {
  image: baseImages.node,
  byDefault: true,
  upstream: `node:${versions.node}-${versions.debian}-slim`,
  config: [
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENTRYPOINT []",
    'CMD ["node"]',
    "USER 65534:65534",
  ],
  async rootfs(dir, log) {
    await debianRootfs(dir, { log });
    const node = join(dir, "usr/local/bin/node");
    await copyFile(projectNode, node);
    await chmod(node, 0o755);
  },
};
