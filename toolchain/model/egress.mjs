// The only way out of the network that converts models: an HTTP proxy that reaches the addresses
// given as arguments (host:port) and nothing else. Dependency-free: its text is a container's command.
import { createServer, request } from "node:http";
import { connect } from "node:net";

const allowed = new Set(process.argv.slice(1));
const refused = "This address is not one that models are published to.\n";

/** @param {URL} url */
const target = (url) => `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;

const server = createServer((incoming, reply) => {
  const url = URL.parse(incoming.url ?? "");
  if (url?.protocol !== "http:" || !allowed.has(target(url))) {
    reply.writeHead(403).end(refused);
    return;
  }
  const headers = { ...incoming.headers };
  delete headers["proxy-connection"];
  const outgoing = request(url, { method: incoming.method ?? "GET", headers }, (answer) => {
    reply.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on("error", () => reply.destroy());
    answer.pipe(reply);
  });
  outgoing.on("error", (error) => {
    if (reply.headersSent) reply.destroy();
    else reply.writeHead(502).end(`${target(url)} cannot be reached: ${error.message}\n`);
  });
  incoming.on("error", () => outgoing.destroy());
  incoming.pipe(outgoing);
});

server.on("connect", (incoming, near, head) => {
  near.on("error", () => near.destroy());
  const url = URL.parse(`https://${incoming.url}`);
  if (!url || !allowed.has(target(url))) {
    near.end(`HTTP/1.1 403 Forbidden\r\n\r\n${refused}`);
    return;
  }
  const far = connect(Number(url.port || 443), url.hostname.replace(/^\[|\]$/g, ""), () => {
    near.write("HTTP/1.1 200 Connection established\r\n\r\n");
    far.write(head);
    far.pipe(near).pipe(far);
  });
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
});

server.listen(3128);
