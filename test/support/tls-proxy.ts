import { request } from "node:http";
import { createServer } from "node:https";
import { isIP, type AddressInfo } from "node:net";
import { run } from "../../toolchain/process.mjs";
import { baseImages } from "../../toolchain/versions.mjs";

/** A certificate for some names or IP addresses, and the authority that nobody else knows. All PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

const SCRIPT = `cd /tmp
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=a private authority" -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=registry -keyout key.pem -out request.pem
printf "subjectAltName=%s\n" "$1" > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem
cat key.pem cert.pem ca.pem`;

/** Made by the openssl of an image that has one. */
export async function privateCertificate(...names: string[]): Promise<Certificate> {
  const subjects = names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`).join(",");
  const out = await run("docker", [
    ...["run", "--rm", "--network=none", "--log-driver=none", baseImages.mlflow],
    ...["sh", "-ec", SCRIPT.replace("$1", subjects)],
  ]);
  const [key = "", cert = "", ca = ""] = out.match(/-----BEGIN[^]+?-----END [^\n]+\n?/g) ?? [];
  return { key, cert, ca };
}

/**
 * TLS on `address` before a server that speaks none.
 * @param allowed values of the header Authorization; whoever has none of them gets a 401. Unless given,
 *   nobody is asked
 */
export async function tlsProxy(
  address: string,
  certificate: Certificate,
  host: string,
  port: number,
  allowed?: readonly string[],
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer(certificate, (near, reply) => {
    const { method, url: path, headers } = near;
    if (allowed !== undefined && !allowed.includes(headers.authorization ?? "")) {
      reply.writeHead(401).end("who are you?");
      near.resume();
      return;
    }
    const far = request({ host, port, method, path, headers }, (answer) => {
      reply.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(reply);
    });
    far.once("error", () => reply.destroy());
    near.pipe(far);
  });
  // Whoever does not trust the certificate breaks off.
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    url: `https://${address}:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
