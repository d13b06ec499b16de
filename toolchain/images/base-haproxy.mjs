// Debian with its HAProxy.
import { debianRootfs } from "../debian.mjs";
import { baseImages, versions } from "../versions.mjs";

/** @type {import("../steps/images.mjs").Recipe} */
export default {
  image: baseImages.haproxy,
  byDefault: true,
  upstream: `haproxy:${versions.haproxy}-${versions.debian}`,
  config: [
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENTRYPOINT []",
    'CMD ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]',
    "USER 65534:65534",
  ],
  rootfs: (dir, log) => debianRootfs(dir, { include: ["haproxy"], log }),
};
