// `eval "$(npm run -s env)"`: a bare `pulumi` in this shell is then the project's own.
import { existsSync } from "node:fs";
import { pulumiCli } from "./paths.mjs";

if (!existsSync(pulumiCli)) {
  console.error("error: Pulumi is not set up in this clone. Run `npm run setup` first.");
  process.exit(1);
}
const { pulumiEnvironment } = await import("./launcher/environment.mjs");
for (const [name, value] of Object.entries(pulumiEnvironment())) {
  console.log(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
}
