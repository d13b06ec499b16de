// The load there is when nobody wrote a scenario: predictions, each with other values.
import type { ScenarioData } from "../engine/plan.ts";
import { bodySchema, sample } from "./openapi.ts";

const variants = 2048;

/** A flower near those the embedded model was trained on. */
function iris(random: () => number): unknown {
  const centers = [
    [5.0, 3.4, 1.5, 0.25],
    [5.9, 2.8, 4.3, 1.3],
    [6.6, 3.0, 5.5, 2.0],
  ];
  const [a, b, c, d] = centers[Math.floor(random() * 3)]!.map((x) =>
    Number((x * (0.85 + 0.3 * random())).toFixed(1)),
  );
  return { sepal_length: a, sepal_width: b, petal_length: c, petal_width: d };
}

/** Reads the target's OpenAPI document; null where it has none within `timeoutMs`. */
export async function fetchOpenApi(host: string, timeoutMs = 5000): Promise<unknown> {
  try {
    const reply = await fetch(new URL("/openapi.json", host), {
      signal: AbortSignal.timeout(timeoutMs),
    });
    return reply.ok ? await reply.json() : null;
  } catch {
    return null;
  }
}

/** POSTs to `path` with bodies from the target's own description, or iris flowers without one. */
export function predictions(document: unknown, path: string, random: () => number): ScenarioData {
  const schema = bodySchema(document, path, "POST");
  const body = (): unknown =>
    schema === undefined ? iris(random) : sample(document, schema, random);
  return {
    kind: "requests",
    tasks: [
      {
        name: path,
        weight: 1,
        method: "POST",
        path,
        headers: { "content-type": "application/json" },
        bodies: Array.from({ length: variants }, () => JSON.stringify(body())),
      },
    ],
  };
}
