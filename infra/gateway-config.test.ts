import { describe, expect, test } from "vitest";
import { gatewayConfig, gatewayTimes } from "./gateway-config.ts";

const config = gatewayConfig({ serviceName: "inference", deadline: 10_000 });
const lines = config.split("\n").map((line) => line.trim());

test("finds replicas by DNS into places that scaling does not change", () => {
  expect(config).toMatch(/server-template replica 64 inference:8000 .*resolvers docker/);
});

test("gives up later than the service, which alone rejects by the deadline", () => {
  expect(lines).toContain("timeout server 15000ms");
  expect(lines).toContain("timeout queue 15000ms");
});

test("ends, when it is to stop, after what it had in flight, whoever keeps an idle connection", () => {
  expect(lines).toContain("hard-stop-after 17000ms");
});

test.each([
  [10_000, { request: 10_000, client: 75_000, reply: 15_000, hardStop: 17_000 }, 20],
  [60_000, { request: 60_000, client: 75_000, reply: 65_000, hardStop: 67_000 }, 70],
  [600_000, { request: 600_000, client: 605_000, reply: 605_000, hardStop: 607_000 }, 610],
  [100, { request: 10_000, client: 75_000, reply: 5100, hardStop: 7100 }, 20],
])("waits longer everywhere than a deadline of %i ms", (deadline, expected, stopGraceSeconds) => {
  expect(gatewayTimes(deadline)).toEqual({ ...expected, stopGraceSeconds });
  const text = gatewayConfig({ serviceName: "inference", deadline });
  expect(text).toContain(`hard-stop-after ${expected.hardStop}ms`);
  expect(text).toContain(`timeout http-request ${expected.request}ms`);
  expect(text).toContain(`timeout client ${expected.client}ms`);
  expect(text).toContain(`timeout server ${expected.reply}ms`);
});

test("prefers the replica with the fewest connections, and none of those that have as many", () => {
  expect(lines).toContain("balance random(3)");
  expect(config).toMatch(/default-server weight 100 check /);
});

test("speaks HTTP/2 to replicas, many requests on one connection, and checks them by HTTP/1.1", () => {
  expect(config).toMatch(/server-template replica .* proto h2 check-proto h1 /);
});

test("keeps few connections to replicas open, whatever the number of clients", () => {
  expect(lines).toContain("tune.pool-high-fd-ratio 100");
  expect(lines).toContain("http-reuse always");
  expect(config).toMatch(/maxconn 64 pool-max-conn 64/);
});

test("sends a request again elsewhere when its replica broke, not when it refused", () => {
  expect(lines).toContain("retries 3");
  expect(lines).toContain("option redispatch 1");
  const [retried = ""] = lines.filter((line) => line.startsWith("retry-on "));
  expect(retried).toContain("conn-failure empty-response");
  expect(retried).not.toMatch(/\b50[03]\b|all-retryable/);
});

test("leaves what a stopping replica still answers alone, and notices one whose node vanished", () => {
  expect(config).not.toContain("shutdown-sessions");
  // On a server whose address comes from DNS it would say nothing.
  expect(config).not.toMatch(/server.* tcp-ut/);
  expect(config).toMatch(/bind :8080 .*tcp-ut 30s/);
  for (const line of ["option srvtcpka", "srvtcpka-idle 1s", "srvtcpka-cnt 2"]) {
    expect(lines).toContain(line);
  }
});

test("refuses a body above the service's limit itself", () => {
  expect(config).toMatch(/http-request return status 413 .* if \{ req.body_size gt 1048576 \}/);
});

describe("where bodies may be larger than usual", () => {
  const settings = { serviceName: "inference", deadline: 10_000, maxBody: 4 * 1024 ** 2 };
  const connectionsOf = (memory: number, gateways = 1) => {
    const [, large = ""] = gatewayConfig({ ...settings, memory, gateways }).split(
      "backend large\n",
    );
    return /default-server .* maxconn (\d+) pool-max-conn \1 /.exec(large)?.[1];
  };

  test("refuses those above that size, and gives the others places of their own", () => {
    const text = gatewayConfig(settings);
    expect(text).toMatch(/return status 413 .* if \{ req.body_size gt 4194304 \}/);
    expect(text).toContain("acl large req.body_size gt 1048576\n");
    expect(text).toContain("use_backend large if METH_POST large { nbsrv(large) gt 0 }\n");
    // What is small is asked for as ever.
    expect(text).toMatch(/backend replicas[^]*maxconn 64[^]*backend large/);
  });

  test("has as many of them under way as the replica's memory holds, at least one", () => {
    expect([96, 160, 256, 8192].map((memory) => connectionsOf(memory))).toEqual([
      ...["1", "3", "4", "4"],
    ]);
    expect(connectionsOf(256, 2)).toBe("2");
  });

  test("is as ever where they may not", () => {
    expect(gatewayConfig({ ...settings, maxBody: 1024 ** 2, memory: 56 })).toBe(config);
  });
});

test("does not punish a replica that has too much to do, and notices one that is gone", () => {
  expect(config).toMatch(/default-server .* observe layer4 error-limit 1 on-error mark-down /);
});

test("gives requests to unchecked replicas when checks find none of those that there are", () => {
  expect(lines).toContain(
    "use_backend unchecked if !{ nbsrv(replicas) gt 0 } { nbsrv(unchecked) gt 0 }",
  );
  const [, unchecked = ""] = config.split("backend unchecked\n");
  expect(unchecked).toMatch(/default-server maxconn 64/);
  expect(unchecked.split("frontend")[0]).not.toContain("check ");
});

test("keeps the replicas it knows while DNS does not answer, and drops at once what DNS drops", () => {
  for (const line of ["hold timeout 10m", "hold refused 10m", "hold other 10m"]) {
    expect(lines).toContain(line);
  }
  expect(lines).toContain("hold obsolete 0s");
});

test("shares what a replica may have in flight with the other gateways", () => {
  const half = gatewayConfig({ serviceName: "inference", deadline: 10_000, gateways: 2 });
  expect(half).toMatch(/maxconn 32 pool-max-conn 32/);
});

test("does not publish metrics", () => {
  expect(config).toMatch(/http-request return status 404 .* if \{ path \/metrics \}/);
});

test("ends in a newline, without which HAProxy refuses the file", () => {
  expect(config.endsWith("\n")).toBe(true);
});
