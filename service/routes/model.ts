import type { Schema } from "../contract/schema.ts";
import { array, object, ref, text } from "../contract/schema-parts.ts";
import { tensorMetadata } from "../contract/v2.ts";
import type { Services } from "../exchange.ts";
import { pointerOf, type LoadedModel } from "../model/model.ts";

/** What `GET /model` says of the model that is served. */
export function modelInfo({ slot, registry }: Services, model: LoadedModel): object {
  const { inputs, outputs, fields } = model.contract;
  const info = {
    name: model.name,
    version: model.version,
    ...pointerOf(model),
    digest: model.digest,
    loadedAt: model.loadedAt.toISOString(),
    signature: {
      inputs: inputs.map(tensorMetadata),
      outputs: outputs.map(tensorMetadata),
      features: fields.map(({ name, kind, optional }) => ({ name, type: kind, optional })),
    },
  };
  if (!registry) return { ...info, history: slot.history };
  const { origin, history, refused, check } = registry();
  return { ...info, origin, refused, check, history };
}

const time: Schema = { type: "string", format: "date-time" };
const count: Schema = { type: "integer", minimum: 0 };

/** The schema of `modelInfo`. */
export const MODEL_INFO: Schema = object(
  {
    name: text,
    version: text,
    alias: text,
    stage: text,
    digest: text,
    loadedAt: time,
    signature: object({
      inputs: array(ref("V2TensorMetadata")),
      outputs: array(ref("V2TensorMetadata")),
      features: array(object({ name: text, type: text, optional: { type: "boolean" } })),
    }),
    history: array({
      description: "What it served; with a registry, each with when.",
      anyOf: [
        object({ name: text, version: text, digest: text, loadedAt: time }),
        object({ version: text, digest: text, from: time, until: time }, [
          "version",
          "digest",
          "from",
        ]),
      ],
    }),
    origin: { enum: ["registry", "cache"] },
    refused: object({ version: text, reason: text, at: time }),
    check: object({ at: time, failures: count, reason: text }, ["at", "failures"]),
  },
  ["name", "version", "digest", "loadedAt", "signature", "history"],
);
