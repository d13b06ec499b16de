// A Debian with its HAProxy: a later one than that of the other images, whose 2.6 misses mended faults.
import { debianRootfs } from "../debian.mjs";
import { baseImages, versions } from "../versions.mjs";

/** @type {import("../steps/images.mjs").Recipe} */
export default {
  image: baseImages.haproxy,
  byDefault: true,
  upstream: `haproxy:${versions.haproxy}-${versions.haproxyDebian}`,
  config: [
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENTRYPOINT []",
    'CMD ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]',
    "USER 65534:65534",
  ],
  rootfs: (dir, log) =>
    debianRootfs(dir, { release: versions.haproxyDebian, include: ["haproxy"], log }),
};
