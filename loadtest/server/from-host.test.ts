import { expect, test } from "vitest";
import { defaultGateway, isFromHost } from "./from-host.ts";

const head =
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n";
const own = "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
const outside = "eth1\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";

test("the host is the gateway of the default route", () => {
  expect(defaultGateway(head + own + outside)).toBe("172.18.0.1");
  expect(defaultGateway(head + own)).toBeNull();
  expect(defaultGateway("")).toBeNull();
});

test("a container's own processes are no strangers; who cannot be told is one", () => {
  for (const address of ["127.0.0.1", "::ffff:127.0.0.1", "::1"])
    expect(isFromHost(address)).toBe(true);
  for (const address of [undefined, "", "203.0.113.9", "::ffff:203.0.113.9"])
    expect(isFromHost(address)).toBe(false);
});
