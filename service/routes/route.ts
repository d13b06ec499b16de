import type { Context } from "hono";
import type { Schema } from "../contract/schema.ts";
import type { Operation } from "../exchange.ts";
import { problemBody, PROBLEM_TYPE, type Problem } from "../problem.ts";
import { v2ErrorBody } from "./infer.ts";

/** What OpenAPI tells of a route. */
export interface Description {
  readonly id: string;
  readonly tag: "Predict" | "Model" | "Health" | "Documentation" | "Open Inference Protocol V2";
  readonly summary: string;
  /** The schema of its request's body, by name, where it has one. */
  readonly request?: "PredictRequest" | "V2Request";
  /** Of what it answers with 200; JSON, unless `type` names something else. */
  readonly reply: Schema;
  readonly type?: string;
  /** Statuses of its errors. */
  readonly errors: readonly number[];
}

/** One route of the service: whatever has to know of routes takes them from their table. */
export type Route = {
  /** As Hono writes it, with names such as `:model` for what differs. */
  readonly path: string;
  /** What a page loads for itself is not described. */
  readonly description?: Description;
  /** What is wrong with the path itself, such as another model's name in it. */
  readonly check?: (c: Context) => Problem | undefined;
} & (
  | {
      /** Answers HEAD as well. */
      readonly method: "GET";
      readonly answer: (c: Context) => Response | Promise<Response>;
    }
  | { readonly method: "POST"; readonly operation: Operation }
);

/** Answers with an error. */
export type Refuse = (error: Problem) => Response;

export const problemResponse: Refuse = (error) =>
  new Response(problemBody(error), {
    status: error.status,
    headers: { ...error.headers, "content-type": PROBLEM_TYPE },
  });

const v2Response: Refuse = (error) =>
  new Response(v2ErrorBody(error), {
    status: error.status,
    headers: { ...error.headers, "content-type": "application/json" },
  });

/** Paths from `/v2` on are those of the Open Inference Protocol, whose errors have a shape of their own. */
export const isV2 = (path: string): boolean => path === "/v2" || path.startsWith("/v2/");

export const refuseAt = (path: string): Refuse => (isV2(path) ? v2Response : problemResponse);
