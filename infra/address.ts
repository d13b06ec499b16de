import { readFileSync } from "node:fs";
import { networkInterfaces, type NetworkInterfaceInfo } from "node:os";
import { dockerHost } from "./engine.ts";

/** What the kernel knows of this machine's networks. */
export interface Machine {
  /** Addresses by the interface that has them. */
  readonly interfaces: Readonly<
    Record<
      string,
      readonly Pick<NetworkInterfaceInfo, "family" | "address" | "internal">[] | undefined
    >
  >;
  /** The text of /proc/net/route, which has a header line. */
  readonly routes: string;
}

const loopback = "127.0.0.1";

/** Interfaces with a route to everywhere, the preferred first. */
const outward = (routes: string): string[] =>
  routes
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination]) => destination === "00000000")
    .sort((a, b) => Number(a[6]) - Number(b[6]))
    .map(([name = ""]) => name);

/** Those that engines and virtual machines make for themselves: nobody reaches the machine by them. */
const own = /^(docker|br-|veth|virbr|lxc|cni|podman)/;

/**
 * The address at which a published port is reached: `bind`, but 0.0.0.0 is all addresses of the engine's
 * machine and none to open. That machine is the one that `engine` names, else this one. Pure.
 *
 * @param engine as in DOCKER_HOST
 */
export function outsideAddress(bind: string, engine: string, machine: Machine): string {
  if (bind !== "0.0.0.0") return bind;
  const { protocol, hostname } = new URL(engine);
  const elsewhere = ["tcp:", "ssh:", "http:", "https:"].includes(protocol);
  if (elsewhere && !/^(localhost|127\..*|\[::1\]|)$/.test(hostname)) return hostname;
  const names = Object.keys(machine.interfaces).filter((name) => !own.test(name));
  return (
    [...outward(machine.routes), ...names]
      .flatMap((name) => machine.interfaces[name] ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? loopback
  );
}

function routes(): string {
  try {
    return readFileSync("/proc/net/route", "utf8");
  } catch {
    return ""; // no Linux
  }
}

/** The address at which this machine's, or the engine's, ports that are bound to `bind` are reached. */
export const publishedAt = (bind: string): string =>
  outsideAddress(bind, dockerHost(), { interfaces: networkInterfaces(), routes: routes() });
