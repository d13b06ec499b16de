// Where things are: this clone's own Pulumi home, and the cache all clones of one user share.
import { homedir } from "node:os";
import { join } from "node:path";

import { root, stateDir } from "./clone.mjs";
import { versions } from "./versions.mjs";

/** Pulumi's home of this clone alone: a plugin built here never poses as upstream's elsewhere. */
export const pulumiHome = join(stateDir, "pulumi");

/** Directory of the genuine CLI and its language host, where npm's launcher looks too. */
export const pulumiBin = join(pulumiHome, "versions", versions.pulumi, "bin");

export const pulumiCli = join(pulumiBin, "pulumi");

/** @param {"docker" | "command"} name */
export const pluginDir = (name) =>
  join(pulumiHome, "plugins", `resource-${name}-v${versions.plugins[name]}`);

/** The Node every script of the project runs on, whatever the system has. */
export const projectNode = join(root, "node_modules", ".bin", "node");

export const toolchainDir = join(root, "toolchain");

/** Builds and downloads, kept outside the clone. Read on each call, so that tests can move it. */
export const cacheDir = () =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "inference-stack");

/** What Node has compiled of the packages, for the next start. */
export const compileCacheDir = () => join(cacheDir(), "compiled");
