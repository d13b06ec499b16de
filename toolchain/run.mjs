// `node toolchain/run.mjs FILE …`: what every npm script of the project goes through, on whatever Node
// there is. Where set-up has not been run it says so; else FILE runs in this very process, which is then
// the project's own Node. Without FILE it only looks.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { projectNode } from "./paths.mjs";
import { needsSetup, notSetUp } from "./ready.mjs";
import { versions } from "./versions.mjs";

function refuse() {
  console.error(notSetUp);
  process.exit(1);
}

if (process.versions.node !== versions.node || !existsSync(projectNode)) refuse();
const [, , file, ...args] = process.argv;
if (file !== undefined) {
  const path = resolve(file);
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href).catch((error) => {
    if (needsSetup(error)) refuse();
    throw error;
  });
}
