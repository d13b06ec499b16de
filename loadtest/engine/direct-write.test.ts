import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { writeNow } from "./direct-write.ts";

const open: { destroy?: () => void; close?: () => void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) (one.destroy ?? one.close)?.call(one);
});

async function pair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect({ port: (server.address() as AddressInfo).port, noDelay: true });
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [
    [Socket],
    unknown,
  ];
  open.push(server, near, far);
  return { near, far };
}

test("small writes arrive whole and in order, past the stream", async () => {
  const { near, far } = await pair();
  const streamed = vi.spyOn(near, "write");
  let text = "";
  far.on("data", (chunk: Buffer) => (text += chunk.toString()));
  for (const word of ["one ", "two ", "three"]) writeNow(near, Buffer.from(word));
  await vi.waitFor(() => {
    expect(text).toBe("one two three");
  });
  expect(streamed).not.toHaveBeenCalled();
});

test("what the kernel does not take at once is queued, and arrives", async () => {
  const { near, far } = await pair();
  far.pause();
  const size = 8 * 1024 * 1024;
  for (const byte of [1, 2, 3]) writeNow(near, Buffer.alloc(size, byte));
  let received = 0;
  const seen = new Set<number>();
  far.on("data", (chunk: Buffer) => {
    received += chunk.length;
    seen.add(chunk[0]!);
  });
  far.resume();
  await vi.waitFor(
    () => {
      expect(received).toBe(3 * size);
    },
    { timeout: 20_000 },
  );
  expect([...seen]).toEqual([1, 2, 3]);
});

test("a connection that the other side reset is told as an error", async () => {
  const { near, far } = await pair();
  const failed = once(near, "error");
  near.pause();
  far.resetAndDestroy();
  await once(far, "close");
  await vi.waitFor(() => {
    if (!near.destroyed) writeNow(near, Buffer.from("x"));
    expect(near.destroyed).toBe(true);
  });
  expect((await failed)[0]).toMatchObject({
    code: expect.stringMatching(/EPIPE|ECONNRESET/) as string,
  });
});
