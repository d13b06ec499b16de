/** Only for the relay itself. */
export const relayHealthPort = 8404;

/**
 * HAProxy's configuration for passing connections on to one host, whatever is spoken on them.
 * @param network where the host's name means the target: on the relay's other network the same name
 * means the relay
 */
export function relayConfig(host: string, ports: readonly number[], network: string): string {
  const passing = ports.map(
    (port) => `
listen port-${port}
  bind :${port}
  server target ${host}.${network}:${port} check inter 1s fall 2 rise 1 resolvers engine init-addr none resolve-prefer ipv4 on-marked-down shutdown-sessions
`,
  );
  const up = ports.map((port) => `{ nbsrv(port-${port}) lt 1 }`).join(" || ");
  return `global
  maxconn 1000
  nbthread 1
  no strict-limits
  log stdout format raw local0 notice

resolvers engine
  nameserver engine 127.0.0.11:53
  accepted_payload_size 8192
  # A target that restarts is found at its new address at once; a DNS that does not answer changes nothing.
  timeout resolve 500ms
  timeout retry 500ms
  hold valid 500ms
  hold nx 10m
  hold other 10m
  hold refused 10m
  hold timeout 10m

defaults
  mode tcp
  log global
  option dontlog-normal
  option clitcpka
  option srvtcpka
  timeout connect 2s
  # An artifact may be large, and a store slow to begin.
  timeout client 5m
  timeout server 5m
  retries 5
${passing.join("")}
frontend health
  mode http
  timeout client 5s
  bind 127.0.0.1:${relayHealthPort}
  monitor-uri /healthz
  monitor fail if ${up}
`;
}

/** Host → its ports, of addresses such as `http://mlflow:5000`. */
export function targetsOf(urls: readonly string[]): Map<string, readonly number[]> {
  const targets = new Map<string, readonly number[]>();
  for (const text of urls) {
    const url = new URL(text);
    const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
    const known = targets.get(url.hostname) ?? [];
    if (!known.includes(port)) targets.set(url.hostname, [...known, port]);
  }
  return targets;
}
