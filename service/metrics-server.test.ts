import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createMetricsServer } from "./metrics-server.ts";
import { testService } from "./testing.ts";

test("metrics are on a listener of their own, and not among the service's routes", async () => {
  const { app, services } = testService("iris");
  const { registry } = services.metrics;
  const server = createMetricsServer(() => registry.metrics(), registry.contentType);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ask = (path: string, method = "GET") =>
    fetch(`http://127.0.0.1:${port}${path}`, { method });
  try {
    expect(await (await ask("/metrics")).text()).toContain("inference_queue_rows 0");
    expect((await ask("/predict")).status).toBe(404);
    expect((await ask("/metrics", "POST")).status).toBe(405);
    const here = await app.request("/metrics");
    expect([here.status, here.headers.get("content-type")]).toEqual([
      404,
      "application/problem+json",
    ]);
    const document = JSON.stringify(await (await app.request("/openapi.json")).json());
    expect(document).not.toContain('"/metrics"');
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
