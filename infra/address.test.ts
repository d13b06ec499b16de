import { expect, test } from "vitest";
import { outsideAddress, type Machine } from "./address.ts";

const ipv4 = (address: string, internal = false) => ({
  family: "IPv4" as const,
  address,
  internal,
});
const header = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT";
const machine: Machine = {
  interfaces: {
    lo: [ipv4("127.0.0.1", true)],
    docker0: [ipv4("172.17.0.1")],
    wlan0: [ipv4("192.168.7.4")],
    eth0: [{ family: "IPv6", address: "fe80::1", internal: false }, ipv4("10.1.2.3")],
  },
  routes: [
    header,
    "wlan0 00000000 0107A8C0 0003 0 0 600 00000000 0 0 0",
    "eth0 00000000 0102010A 0003 0 0 100 00000000 0 0 0",
    "docker0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0",
  ].join("\n"),
};
const local = "unix:///var/run/docker.sock";

test.each([
  ["an address is what it is", "127.0.0.1", local, "127.0.0.1"],
  ["wherever the engine is", "127.0.0.1", "ssh://me@build-7", "127.0.0.1"],
  ["all addresses are the one by which others come", "0.0.0.0", local, "10.1.2.3"],
  ["on the engine's machine", "0.0.0.0", "tcp://build-7.lan:2376", "build-7.lan"],
  ["over ssh too", "0.0.0.0", "ssh://me@build-7.lan", "build-7.lan"],
  ["by its IPv6 address too", "0.0.0.0", "tcp://[fd00::7]:2376", "[fd00::7]"],
  ["which is this one behind loopback", "0.0.0.0", "tcp://127.0.0.1:2375", "10.1.2.3"],
])("%s: %s on %s", (_, bind, engine, address) => {
  expect(outsideAddress(bind, engine, machine)).toBe(address);
});

test("a machine without a way out has an address all the same", () => {
  const { interfaces } = machine;
  expect(outsideAddress("0.0.0.0", local, { interfaces, routes: header })).toBe("192.168.7.4");
  const alone = { lo: [ipv4("127.0.0.1", true)], docker0: [ipv4("172.17.0.1")] };
  expect(outsideAddress("0.0.0.0", local, { interfaces: alone, routes: "" })).toBe("127.0.0.1");
});
