// Somebody's MLflow 2.22.5, which no set-up makes: tests attach to it. Its scikit-learn is that of
// base-mlflow, its pandas is not.
import { join } from "node:path";

import { debianRootfs } from "../../toolchain/debian.mjs";
import mlflow, { dataFolder } from "../../toolchain/images/base-mlflow.mjs";
import { toolchainDir } from "../../toolchain/paths.mjs";
import { run } from "../../toolchain/process.mjs";
import { pythonPackages } from "../../toolchain/python.mjs";

const lock = join(import.meta.dirname, "mlflow-2", "requirements.lock");

/** @type {import("../../toolchain/steps/images.mjs").Recipe} */
export default {
  ...mlflow,
  image: "inference-stack/test-mlflow:2.22.5",
  inputs: [lock, join(toolchainDir, "python.mjs")],
  async rootfs(dir, log) {
    await debianRootfs(dir, { include: ["python3", "ca-certificates"], log });
    await pythonPackages(join(dir, "opt/python"), lock, { python: "3.11", log });
    // The root is read-only when it runs, so what is not compiled now never is.
    await run("chroot", [dir, "python3", "-m", "compileall", "-q", "-j", "2", "/opt/python"]).catch(
      () => log("some packages hold files for other versions of Python; they stay as they are"),
    );
    await dataFolder(dir);
  },
};
