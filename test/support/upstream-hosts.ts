import { createReadStream, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createConnection, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Certificate } from "./tls-proxy.ts";

/** What a host sends for a path: text, or the path of a file. */
export type Page = { readonly text: string } | { readonly file: string };

export interface UpstreamHosts {
  /** For HTTPS_PROXY. */
  readonly proxy: string;
  /** What was asked for, as host and path, or as a host alone where it is none of those played here. */
  readonly asked: string[];
  /** Bodies of these addresses break off in the middle. */
  cut: string[];
  close(): Promise<void>;
}

/**
 * A proxy on loopback behind which some hosts are played. Any other host is what it is elsewhere.
 *
 * @param pages by host and path
 * @param certificate for all of the hosts
 */
export async function upstreamHosts(
  pages: Readonly<Record<string, Page>>,
  certificate: Certificate,
): Promise<UpstreamHosts> {
  const asked: string[] = [];
  const played = new Set(Object.keys(pages).map((address) => address.split("/")[0]));
  const sockets = new Set<Duplex>();
  const keep = (socket: Duplex) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };

  const answer = (request: IncomingMessage, reply: ServerResponse) => {
    const address = `${request.headers.host ?? ""}${request.url ?? ""}`;
    asked.push(address);
    const page = pages[address];
    if (!page) {
      reply.writeHead(404).end();
      return;
    }
    const size = "file" in page ? statSync(page.file).size : Buffer.byteLength(page.text);
    reply.writeHead(200, { "content-length": size });
    if (request.method === "HEAD") reply.end();
    else if (hosts.cut.includes(address) && "file" in page) {
      createReadStream(page.file, { end: Math.floor(size / 2) })
        .on("end", () => reply.destroy())
        .pipe(reply, { end: false });
    } else if ("file" in page) createReadStream(page.file).pipe(reply);
    else reply.end(page.text);
  };
  const site = createTlsServer({ key: certificate.key, cert: certificate.cert }, answer);
  // Whoever does not trust the certificate breaks off.
  site.on("tlsClientError", () => undefined);

  const proxy = createServer((_, reply) => reply.writeHead(405).end());
  proxy.on("connect", ({ url = "" }: IncomingMessage, near: Socket) => {
    keep(near);
    const [host = "", port = "443"] = url.split(":");
    if (played.has(host)) {
      near.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      site.emit("connection", near);
      return;
    }
    asked.push(host);
    const far = createConnection(Number(port), host, () => {
      near.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      near.pipe(far).pipe(near);
    });
    keep(far);
    near.once("close", () => far.destroy());
    far.once("close", () => near.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));

  const hosts: UpstreamHosts = {
    proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    asked,
    cut: [],
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
  return hosts;
}
