// What a test sees of whoever runs it, before anything of it is loaded: the machine, and the way to
// the package registries. What somebody has set up for themselves (a Pulumi of their own, an active
// Docker context, Git's configuration, a language, the variables the service is set by) decides nothing.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { stateDir } from "../../toolchain/clone.mjs";
import { testEnvironment } from "./test-environment.ts";

const dockerConfig = join(stateDir, "test", "docker");
mkdirSync(dockerConfig, { recursive: true });

const wanted = testEnvironment(process.env, dockerConfig);
for (const name of Object.keys(process.env)) {
  if (!(name in wanted)) Reflect.deleteProperty(process.env, name);
}
Object.assign(process.env, wanted);

// Files that a test hands to a container are read there by another user.
process.umask(0o022);
