import { describe, expect, test } from "vitest";
import { gatewayConfig, gatewayTimes } from "./gateway-config.ts";
import { pathsAcl, servicePaths } from "./gateway-paths.ts";

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
  expect(lines).toContain("balance random(8)");
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
  const [refusal = ""] = lines.filter((line) => line.startsWith("http-request return status 413 "));
  expect(refusal).toMatch(/"detail":"The body is larger than 1048576 bytes[^']*"\}' if /);
  expect(refusal).toMatch(/if \{ req.body_size gt 1048576 \}$/);
});

/** A backend's own lines. */
const backendOf = (text: string, name: string): string =>
  text.split(new RegExp(`^backend ${name}$`, "m"))[1]?.split(/^(?:backend|frontend) /m)[0] ?? "";
const placesOf = (text: string, name: string): string | undefined =>
  /default-server .*maxconn (\d+) pool-max-conn \1 /.exec(backendOf(text, name))?.[1];

test("keeps the places of requests that are there from bodies on their way, and from large files", () => {
  expect(lines).toContain("acl partly req.body_size,sub(txn.there) gt 0");
  expect(lines).toContain("http-request set-var(txn.coming) bool(true) if partly or untold much");
  expect(lines).toContain("use_backend bodies if on_its_way");
  expect(lines).toContain("use_backend docs if { path_beg /docs/ }");
  expect(["replicas", "bodies", "docs"].map((name) => placesOf(config, name))).toEqual([
    ...["64", "16", "4"],
  ]);
});

test("lets as many bodies be on their way to a replica as it has memory for", () => {
  const places = [56, 96, 128, 256, 8192].map((memory) =>
    placesOf(gatewayConfig({ serviceName: "inference", deadline: 10_000, memory }), "bodies"),
  );
  expect(places).toEqual(["2", "3", "6", "16", "16"]);
});

test("asks for no more of a reply than it has room for: who does not read holds up nobody", () => {
  expect(lines).toContain("tune.h2.be.initial-window-size 12288");
});

test.each([
  [1, 256, 100],
  [2, 256, 4],
  [2, 96, 100],
])(
  "with %s cpus and %i MB has %i requests at most on a connection, that all processes have some",
  (cpus, memory, most) => {
    const text = gatewayConfig({ serviceName: "inference", deadline: 10_000, cpus, memory });
    expect(text).toContain(`tune.h2.be.max-concurrent-streams ${most}\n`);
  },
);

test("leaves places to other addresses, and the engine's port proxy alive", () => {
  expect(lines).toContain("tcp-request connection reject if { sc0_conn_cur gt 10500 }");
  expect(lines).toContain(
    'tcp-request connection reject if { src "${ENGINE}" } { sc0_conn_cur gt 3000 }',
  );
  expect(config).toMatch(
    /http-request return status 429 .* if on_its_way \{ sc1_conn_cur gt 512 \}/,
  );
});

test("takes clients from the listener's socket too, where there is one", () => {
  expect(config).not.toContain("fd@");
  const text = gatewayConfig({ serviceName: "inference", deadline: 10_000, listener: true });
  expect(text).toContain('bind "fd@${LISTENING}" backlog 8192');
});

test("begins with the replicas that were there last", () => {
  expect(lines).toContain("load-server-state-from-file global");
  expect(config).toMatch(/server-template .* init-addr last,none /);
});

test("writes errors of its own as the service does", () => {
  for (const status of [400, 408, 413, 422, 429, 500, 502, 503, 504]) {
    expect(config).toMatch(
      new RegExp(`http-error status ${status} content-type application/problem\\+json string '\\{`),
    );
  }
  expect(config).toMatch(/http-error status 503 .* hdr Retry-After 1$/m);
});

describe("where bodies may be larger than usual", () => {
  const settings = { serviceName: "inference", deadline: 10_000, maxBody: 4 * 1024 ** 2 };

  test("refuses those above that size, and gives the others places of their own", () => {
    const text = gatewayConfig(settings);
    expect(text).toMatch(/return status 413 .* if \{ req.body_size gt 4194304 \}/);
    expect(text).toContain("use_backend large if { req.body_size gt 1048576 }\n");
    expect(text).toContain("use_backend large if on_its_way untold\n");
    // What is small is asked for as ever.
    expect(placesOf(text, "replicas")).toBe("64");
  });

  test("has as many of them under way as the replica's memory holds, at least one", () => {
    const placesFor = (memory: number, gateways = 1) =>
      placesOf(gatewayConfig({ ...settings, memory, gateways }), "large");
    expect([96, 160, 256, 8192].map((memory) => placesFor(memory))).toEqual([
      ...["1", "3", "4", "4"],
    ]);
    expect(placesFor(256, 2)).toBe("2");
  });

  test("is as ever where they may not", () => {
    expect(gatewayConfig({ ...settings, maxBody: 1024 ** 2 })).toBe(config);
  });
});

test("does not punish a replica that has too much to do, and notices one that is gone", () => {
  expect(config).toMatch(/default-server .* observe layer4 error-limit 1 on-error mark-down /);
});

test("gives requests to unchecked replicas when checks find none of those that there are", () => {
  expect(lines).toContain(
    "use_backend unchecked if !{ nbsrv(replicas) gt 0 } { nbsrv(unchecked) gt 0 }",
  );
  const unchecked = backendOf(config, "unchecked");
  expect(unchecked).toMatch(/default-server maxconn 64/);
  expect(unchecked).not.toContain("check ");
});

test("keeps the replicas it knows while DNS knows none, and drops at once what DNS drops", () => {
  for (const line of ["hold nx 10m", "hold timeout 10m", "hold refused 10m", "hold other 10m"]) {
    expect(lines).toContain(line);
  }
  expect(lines).toContain("hold obsolete 0s");
});

test("shares what a replica may have in flight with the other gateways", () => {
  const half = gatewayConfig({ serviceName: "inference", deadline: 10_000, gateways: 2 });
  expect(half).toMatch(/maxconn 32 pool-max-conn 32/);
});

describe("what it lets through", () => {
  test("is what the service has, once the path is in its plain form", () => {
    const [served = "", patterns = ""] = lines.filter((line) => line.startsWith("acl served "));
    expect(served).toContain("acl served path /predict /healthz ");
    expect(patterns).toContain(" ^/v2/models/[^/]+/infer$");
    const at = (text: string) => lines.findIndex((line) => line.includes(text));
    const order = [
      "acl served path ",
      "normalize-uri percent-decode-unreserved strict unless served",
      "normalize-uri path-strip-dotdot full unless served",
      "return status 404",
    ].map(at);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toContain(-1);
  });

  test("has no metrics of a replica", () => {
    expect(servicePaths).not.toContain("/metrics");
  });

  test("is what somebody says of another server", () => {
    expect(pathsAcl("served", ["/", "/v1/*", "/models/{}/a.b"])).toEqual([
      "acl served path /",
      "acl served path_beg /v1/",
      "acl served path_reg ^/models/[^/]+/a\\.b$",
    ]);
    const text = gatewayConfig({ serviceName: "x", deadline: 10_000, paths: ["/invocations"] });
    expect(text).toContain("acl served path /invocations\n");
    expect(text).not.toContain("/predict");
  });
});

test.each([
  ["GET", "method GET HEAD POST PUT PATCH DELETE OPTIONS"],
  ["Upgrade", "http-request del-header Upgrade"],
])("answers what asks for another protocol or method in HTTP (%s)", (_, line) => {
  expect(config).toContain(line);
});

test("speaks HTTP/1.1 to replicas where told", () => {
  const text = gatewayConfig({ serviceName: "inference", deadline: 10_000, http2: false });
  expect(text).not.toContain("proto h2");
});

test("ends in a newline, without which HAProxy refuses the file", () => {
  expect(config.endsWith("\n")).toBe(true);
});
