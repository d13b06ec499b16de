import type { FieldError } from "./contract/decode.ts";

/** An error as RFC 9457 writes it. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  /** Every field that is wrong, where fields are. */
  readonly errors?: readonly FieldError[];
  /** Headers of the reply, such as `Allow` or `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const PROBLEM_TYPE = "application/problem+json";

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad request",
  404: "Not found",
  405: "Method not allowed",
  408: "Request timeout",
  413: "Content too large",
  415: "Unsupported media type",
  422: "Invalid input",
  431: "Request header fields too large",
  500: "Internal error",
  503: "Service unavailable",
};

export function problem(
  status: number,
  detail: string,
  more: Pick<Problem, "errors" | "headers"> = {},
): Problem {
  return { status, title: TITLES[status] ?? "Error", detail, ...more };
}

/** What whoever carries requests has to say of them, in the same words everywhere. */
export const TOO_SLOW = problem(408, "The request came too slowly.");
export const NOT_HTTP = problem(400, "The request is not valid HTTP.");
export const OVERLOADED = problem(503, "The service has no memory to spare for this request now.", {
  headers: { "Retry-After": "1" },
});
export const FAILED = problem(500, "The service failed to answer this request.");
export const tooLarge = (maxBody: number): Problem =>
  problem(413, `The body is larger than ${maxBody} bytes, the most that is read.`);

/** The body of a problem; `type` is left at its default, as the status says it all. */
export function problemBody({ status, title, detail, errors }: Problem): string {
  return JSON.stringify({ type: "about:blank", title, status, detail, errors });
}
