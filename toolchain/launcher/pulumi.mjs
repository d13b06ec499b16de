#!/usr/bin/env node
// `npx pulumi` in this project, which needs nothing but Node itself to say that set-up comes first.
import { existsSync } from "node:fs";
import { pulumiCli } from "../paths.mjs";
import { needsSetup } from "../ready.mjs";

function refuse() {
  console.error("error: Pulumi is not set up in this clone. Run `npm run setup` first.");
  process.exit(1);
}

if (!existsSync(pulumiCli)) refuse();
await import("./launch.mjs").catch((error) => {
  if (needsSetup(error)) refuse();
  throw error;
});
