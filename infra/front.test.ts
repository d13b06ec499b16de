import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { askFront, publishedUrl } from "./front.ts";

const published = (...ports: { HostIp: string; HostPort: string }[]) =>
  publishedUrl({ NetworkSettings: { Ports: { "8080/tcp": ports }, Networks: {} } });

test("the published address is the one that this machine reaches", () => {
  expect(published({ HostIp: "127.0.0.1", HostPort: "8000" })).toBe("http://127.0.0.1:8000");
  expect(published({ HostIp: "0.0.0.0", HostPort: "80" })).toBe("http://127.0.0.1:80");
  expect(published()).toBeUndefined();
});

test("tells an open way in from one without a ready replica, and from none", async () => {
  let status = 200;
  const server = createServer((_, reply) => reply.writeHead(status).end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await askFront(url)).toEqual({ url, open: true, answer: "answers 200" });
  status = 503;
  expect(await askFront(url)).toEqual({ url, open: false, answer: "answers 503" });
  server.close();
  server.closeAllConnections();
  await once(server, "close");
  expect(await askFront(url)).toEqual({
    ...{ url, open: false },
    answer: expect.stringMatching(/^does not answer \(/) as string,
  });
});
