// Makes the images that tests run on, once: files that are run beside each other would each make them.
import { join } from "node:path";
import { root } from "../../toolchain/clone.mjs";
import { needPip } from "../../toolchain/python.mjs";
import { ensureImages } from "../../toolchain/steps/images.mjs";

const consent = { yes: true };
// Not by two of them at once.
await needPip(consent, console.log);
await Promise.all([
  ensureImages(["base-mlflow", "base-minio", "base-postgres"], { consent }),
  ensureImages(["mlflow-2"], { consent, folder: join(root, "test/images") }),
]);
