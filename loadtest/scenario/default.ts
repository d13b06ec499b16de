// The load there is when nobody wrote a scenario: predictions, each with another row.
import type { RequestsTask, ScenarioData } from "../engine/plan.ts";
import { UserError } from "../units.ts";
import { bodySchema } from "./openapi.ts";
import { sample } from "./sample.ts";

/** Different requests at most; fewer where they are large, for workers hold them all. */
const most = { variants: 2048, bytes: 16 * 1024 * 1024 };

/** What to do where a target's own description gives no rows. */
export const otherRows =
  "give rows of your own with --data rows.csv (or .ndjson, .json), or a scenario with -f";

export const posts = (path: string, bodies: string[]): RequestsTask => ({
  name: path,
  weight: 1,
  method: "POST",
  path,
  headers: { "content-type": "application/json" },
  bodies,
});

/**
 * POSTs to `path` with rows like those that the target's own description shows.
 * @throws UserError where it describes no such request
 */
export function predictions(document: unknown, path: string, random: () => number): ScenarioData {
  const schema = bodySchema(document, path, "POST");
  if (schema === undefined) {
    throw new UserError(
      `The target's /openapi.json describes no POST ${path} with a body in JSON; name another --path, or ${otherRows}.`,
    );
  }
  const bodies: string[] = [];
  for (let bytes = 0; bodies.length < most.variants && bytes < most.bytes;) {
    const body = JSON.stringify(sample(document, schema, random));
    bodies.push(body);
    bytes += body.length;
  }
  return { kind: "requests", tasks: [posts(path, bodies)] };
}
