// MLflow's server with what it needs for S3 and PostgreSQL, and the converters to ONNX. One image,
// as both halves are mostly the same packages; MLflow's own published image holds neither.
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";

import { debianRootfs } from "../debian.mjs";
import { toolchainDir } from "../paths.mjs";
import { run } from "../process.mjs";
import { needPip, pythonPackages } from "../python.mjs";
import { baseImages } from "../versions.mjs";

const lock = join(toolchainDir, "images", "base-mlflow", "requirements.lock");

/** @type {import("../steps/images.mjs").Recipe} */
export default {
  image: baseImages.mlflow,
  byDefault: false,
  inputs: [lock, join(toolchainDir, "python.mjs")],
  config: [
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV PYTHONPATH=/opt/python",
    "ENV HOME=/tmp",
    "ENTRYPOINT []",
    'CMD ["python3"]',
    "USER 10001:10001",
  ],
  prepare: needPip,
  async rootfs(dir, log) {
    await debianRootfs(dir, { include: ["python3", "ca-certificates"], log });
    const packages = join(dir, "opt/python");
    await pythonPackages(packages, lock, { python: "3.11", log });
    // Tests of libraries are a sixth of all their files.
    await run("find", [
      ...[packages, "-type", "d", "(", "-name", "tests", "-o", "-name", "__pycache__", ")"],
      ...["-prune", "-exec", "rm", "-rf", "{}", "+"],
    ]);
    log("compiling");
    // The root is read-only when it runs, so what is not compiled now never is.
    await run("chroot", [dir, "python3", "-m", "compileall", "-q", "-j", "2", "/opt/python"]).catch(
      () => log("some packages hold files for other versions of Python; they stay as they are"),
    );
    await dataFolder(dir);
  },
};

/** A new volume takes over the owner of the folder it is mounted on. @param {string} dir */
export async function dataFolder(dir) {
  const data = join(dir, "data");
  await mkdir(data);
  await chown(data, 10001, 10001);
}
