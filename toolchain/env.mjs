// `eval "$(npm run -s env)"`: a bare `pulumi` in this shell is then the project's own.
import { pulumiEnvironment } from "./launcher/environment.mjs";

for (const [name, value] of Object.entries(pulumiEnvironment())) {
  console.log(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
}
