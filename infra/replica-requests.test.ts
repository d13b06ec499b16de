import { expect, test } from "vitest";
import { countedRequests } from "./replica-requests.ts";

test("a replica's requests are those that are no checks, of every route and status", () => {
  const exposition = [
    "# TYPE http_requests_total counter",
    'http_requests_total{route="/predict",status="200"} 40',
    'http_requests_total{route="/predict",status="422"} 2',
    'http_requests_total{status="404",route="unmatched"} 1',
    'http_requests_total{route="/readyz",status="200"} 900',
    'http_requests_total{route="/healthz",status="200"} 30',
    'http_requests_total{route="/model",status="200"} 12',
    "inference_request_duration_seconds_count 980",
  ].join("\n");
  expect(countedRequests(exposition)).toBe(43);
});

test("one that was asked nothing has none", () => {
  expect(countedRequests("# TYPE http_requests_total counter\n")).toBe(0);
});
