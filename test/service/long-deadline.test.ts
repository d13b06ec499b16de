import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startService } from "./process.ts";

const SETOSA = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

test("a replica that stops answers whatever its deadline still allows", async () => {
  const service = await startService({ DEADLINE: "60s" });
  const body = JSON.stringify(SETOSA);
  const slow = request({
    port: service.port,
    path: "/predict",
    method: "POST",
    headers: { "content-type": "application/json", "content-length": body.length },
  });
  const response = once(slow, "response") as Promise<[IncomingMessage]>;
  slow.write(body.slice(0, 10));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const stopped = service.stop();
  // Longer than a replica with the usual settings would be given for a deadline of 10 s.
  await new Promise((resolve) => setTimeout(resolve, 17_000));
  slow.end(body.slice(10));
  const [reply] = await response;
  expect(reply.statusCode).toBe(200);
  expect(JSON.parse(await text(reply))).toMatchObject({ class: "setosa" });
  expect(await stopped).toBe(0);
});
