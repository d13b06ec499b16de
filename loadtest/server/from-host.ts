// Who calls through a port that the engine published on the host's loopback: the engine's proxy hands
// such calls in from the network's gateway, an address that no container of the network has. What comes
// from any other address comes from a container.
import { readFileSync } from "node:fs";

/** The gateway of the default route in the text of /proc/net/route; null where there is none. */
export function defaultGateway(routes: string): string | null {
  for (const line of routes.split("\n").slice(1)) {
    const [, destination, gateway = ""] = line.split(/\s+/);
    if (destination !== "00000000" || !/^[\dA-F]{8}$/.test(gateway) || gateway === "00000000") {
      continue;
    }
    // Bytes as the processor has them: the last is the first of the address.
    return Buffer.from(gateway, "hex").reverse().join(".");
  }
  return null;
}

/** Whether an address is this container's own, or the host's. Networks may come and go: looked up each time. */
export function isFromHost(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.replace(/^::ffff:/, "");
  if (plain === "::1" || plain.startsWith("127.")) return true;
  try {
    return plain === defaultGateway(readFileSync("/proc/net/route", "utf8"));
  } catch {
    return false;
  }
}
