import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pluginDir } from "../toolchain/paths.mjs";

type Name = Parameters<typeof pluginDir>[0];

export const pluginFile = (name: Name): string => join(pluginDir(name), `pulumi-resource-${name}`);

/** Whether this clone's plugin was built from our module, whose path Go keeps in it, or is upstream's own. */
export const builtHere = (name: Name): boolean =>
  readFileSync(pluginFile(name)).includes(`inference-stack/toolchain/${name}`);
