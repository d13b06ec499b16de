import { createConnection, isIP, type AddressInfo, type Socket } from "node:net";
import { createServer } from "node:tls";
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

/** TLS on `address` before a server that speaks none. */
export async function tlsProxy(
  address: string,
  certificate: Certificate,
  host: string,
  port: number,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer(certificate, (near) => {
    const far = createConnection(port, host);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => one.destroy());
      one.once("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  // Whoever does not trust the certificate breaks off.
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    url: `https://${address}:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
