import { largeAtOnce, USUAL_BODY } from "../service/sizing.ts";
import { ANSWER_MS } from "../service/times.ts";
import type { Bytes, Cpus, MiB, Milliseconds } from "./units.ts";

export interface GatewaySettings {
  /** The name that all replicas answer to in the network's DNS. */
  readonly serviceName: string;
  /** The budget of one request; the gateway itself gives up later than the service does. */
  readonly deadline: Milliseconds;
  /** How many share the replicas; one unless told. */
  readonly gateways?: number;
  /** Of a request; the service has the same limit. A larger one is refused before a replica is bothered. */
  readonly maxBody?: Bytes;
  readonly maxRows?: number;
  /** Limits of one replica. */
  readonly cpus?: Cpus;
  readonly memory?: MiB;
}

export const gatewayPort = 8080;
/**
 * Kernel settings of the gateway's own network: data that a replica does not confirm is sent again
 * after 0.2 and 0.4 s, and given up 0.8 s later. HAProxy's own word for it (tcp-ut) is lost on a server
 * whose address comes from DNS.
 */
export const gatewaySysctls = { "net.ipv4.tcp_retries2": "2" };
/** Metrics and status page: never published, for the stack's own network. */
export const gatewayStatsPort = 8404;
const servicePort = 8000;

/**
 * Places for replicas. More than the most replicas there can be (32), twice over, because old and new
 * ones run side by side while they are replaced: scaling then changes nothing here.
 */
const slots = 64;

/**
 * Requests in flight on one replica, on a connection or two; what is above waits in the gateway. Few of
 * them keep a small replica's memory free.
 */
const mostInFlight = 64;

/** Bytes of bodies that are on their way to one replica: the service gives up what is above twice that. */
const mostOnTheWay = 16 * 1024 ** 2;

/** What of the gateway has to outlast a request's deadline. Each is ms unless its name says otherwise. */
export function gatewayTimes(deadline: Milliseconds) {
  // The service itself says that a request is late; here only what is lost is given up.
  const reply = deadline + ANSWER_MS;
  // One that stops, or was replaced by a reload, has then finished what it had in flight.
  const hardStop = reply + 2000;
  return {
    /** A client sends its request within it, as far as it is buffered here. */
    request: Math.max(10_000, deadline),
    /** A client may be silent so long, while it waits for its reply. */
    client: Math.max(75_000, reply),
    reply,
    hardStop,
    /** From SIGTERM until it is killed: it ends by itself before. */
    stopGraceSeconds: Math.max(20, Math.ceil(hardStop / 1000) + 3),
  };
}

/** Bodies larger than usual that one replica may have at once: as its memory allows, and the way to it. */
function placesForLarge(settings: GatewaySettings): number {
  const { maxBody = USUAL_BODY, maxRows = 10_000, cpus = 1, memory = 256 } = settings;
  const byMemory = largeAtOnce({ maxBody, maxRows }, memory, cpus);
  return Math.max(1, Math.min(byMemory, Math.floor(mostOnTheWay / maxBody)));
}

/** An RFC 9457 answer of the gateway itself. */
const problem = (status: number, title: string, detail?: string): string =>
  `return status ${status} content-type application/problem+json ` +
  `string '${JSON.stringify({ type: "about:blank", title, status, detail })}'`;

/**
 * The gateway's configuration. Where a figure decides something, the reason stands beside it.
 *
 * - Replicas are found by DNS and checked every 0.5 s. One that refuses a connection is taken out at
 *   once; one that says it is not ready (it is about to stop) is given no more, and finishes what it
 *   has. That it has too much to do is no reason to give all of it to the others.
 * - Replicas are spoken to in HTTP/2: what is asked and answered at about the same time is one read and
 *   one write for both sides, which is most of what a small request costs.
 * - A prediction can be repeated, so a request whose body fits the buffer is sent again elsewhere.
 * - Bodies larger than usual, where they are allowed, wait here for the few places that a replica has
 *   memory for; the others pass them by. One of unknown length is taken for large.
 */
export function gatewayConfig(settings: GatewaySettings): string {
  const { serviceName, deadline, gateways = 1, maxBody = USUAL_BODY } = settings;
  const maxInFlight = Math.ceil(mostInFlight / gateways);
  const times = gatewayTimes(deadline);
  const inFlight = (most: number) => `maxconn ${most} pool-max-conn ${most} pool-purge-delay 30s`;
  const connections = inFlight(maxInFlight);
  const checked =
    "weight 100 check inter 500ms fastinter 200ms downinter 500ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down slowstart 2s";
  const health = `option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host ${serviceName} hdr Connection close`;
  const replicas = `server-template replica ${slots} ${serviceName}:${servicePort} proto h2 check-proto h1 resolvers docker init-addr none resolve-prefer ipv4`;
  const places = Math.ceil(placesForLarge(settings) / gateways);
  const large =
    maxBody <= USUAL_BODY
      ? { rule: "", backend: "" }
      : {
          rule: `acl large req.body_size gt ${USUAL_BODY}
  acl large req.hdr_cnt(content-length) eq 0
  use_backend large if METH_POST large { nbsrv(large) gt 0 }
  `,
          backend: `
backend large
  balance leastconn
  ${health}
  default-server ${checked} ${inFlight(places)}
  ${replicas}
`,
        };
  return `global
  # What one that stops, or was replaced by a reload, has left by then are idle clients, which would
  # otherwise keep it for their whole keep-alive time.
  hard-stop-after ${times.hardStop}ms
  maxconn 12000
  nbthread 1
  # 12,000 clients, but only ${maxInFlight} connections to each replica: two descriptors a client are never needed.
  no strict-limits
  # Idle connections to replicas are kept only while descriptors in use are below these shares; with
  # thousands of clients the defaults (25%) would open a new connection for nearly every request.
  tune.pool-high-fd-ratio 100
  tune.pool-low-fd-ratio 99
  stats socket /run/haproxy/admin.sock mode 600 level admin
  log stdout format raw local0 notice

resolvers docker
  nameserver engine 127.0.0.11:53
  accepted_payload_size 8192
  resolve_retries 3
  timeout resolve 500ms
  timeout retry 500ms
  hold valid 500ms
  hold obsolete 0s
  hold nx 0s
  # No answer from the engine's DNS says nothing about replicas: those that are known stay.
  hold other 10m
  hold refused 10m
  hold timeout 10m

defaults
  mode http
  log global
  option dontlog-normal
  timeout connect 500ms
  # A check connects as quickly, however busy the replica is; its answer may take longer.
  timeout check 1500ms
  timeout http-request ${times.request}ms
  timeout http-keep-alive 75s
  timeout client ${times.client}ms
  timeout queue ${times.reply}ms
  timeout server ${times.reply}ms
  http-reuse always
  option redispatch 1
  retries 3
  # Not 503 or 500: an overloaded service says so on purpose, and asking again would add to its load.
  retry-on conn-failure empty-response junk-response response-timeout 502 504
  # A replica that vanished with its node answers nothing, not even a refusal. Data that nobody
  # confirms for 1.4 s (the container's tcp_retries2), or silence to two probes, ends a connection, and
  # its request is sent again elsewhere. Ending all connections of a replica that is marked down would be quicker, but would lose
  # the requests that are just connecting to it, and cut off those that it finishes while it stops.
  option srvtcpka
  srvtcpka-idle 1s
  srvtcpka-intvl 1s
  srvtcpka-cnt 2
  # A reload closes idle client connections only after their next reply, so none is lost in between.
  option idle-close-on-response

frontend api
  # Clients may be further away than replicas: they have their own time to confirm data.
  bind :${gatewayPort} backlog 8192 tcp-ut 30s
  option http-buffer-request
  # What a replica says about itself is read inside the network.
  http-request ${problem(404, "Not Found")} if { path /metrics }
  http-request ${problem(413, "Content Too Large", `The body is larger than ${maxBody} bytes, the most that is read.`)} if { req.body_size gt ${maxBody} }
  # Checks are to choose among replicas, not to turn one that is slow for all into an outage: when
  # they find none, requests go to whatever the network still knows, and wait there.
  use_backend unchecked if !{ nbsrv(replicas) gt 0 } { nbsrv(unchecked) gt 0 }
  ${large.rule}default_backend replicas

backend replicas
  # The one with the fewest connections of a few drawn at random: leastconn gives those that have none
  # their turn in the order in which they finished, so that the quickest has two of each five that come
  # together. Weights make the draw even: each is so many places on a ring.
  balance random(3)
  ${health}
  default-server ${checked} ${connections}
  ${replicas}
${large.backend}
backend unchecked
  balance leastconn
  default-server ${connections}
  ${replicas}

frontend status
  bind :${gatewayStatsPort}
  monitor-uri /healthz
  http-request use-service prometheus-exporter if { path /metrics }
  stats enable
  stats uri /
  # Without legends the counters name no replica's address.
  stats show-legends
  stats refresh 5s
`;
}
