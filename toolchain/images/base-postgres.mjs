// Debian with its PostgreSQL.
import { appendFile } from "node:fs/promises";
import { join } from "node:path";

import { debianRootfs } from "../debian.mjs";
import { baseImages, versions } from "../versions.mjs";
import { dataFolder } from "./base-mlflow.mjs";

/** @type {import("../steps/images.mjs").Recipe} */
export default {
  image: baseImages.postgres,
  byDefault: false,
  config: [
    `ENV PATH=/usr/lib/postgresql/${versions.postgres}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    "ENV HOME=/tmp",
    "ENTRYPOINT []",
    'CMD ["postgres"]',
    "USER 10001:10001",
  ],
  async rootfs(dir, log) {
    await debianRootfs(dir, { include: [`postgresql-${versions.postgres}`], log });
    // initdb asks for the name of its user.
    await appendFile(join(dir, "etc/passwd"), "inference:x:10001:10001::/tmp:/usr/sbin/nologin\n");
    await dataFolder(dir);
  },
};
