import { bodiesAtOnce, largeAtOnce, streamsOfGateway, USUAL_BODY } from "../service/sizing.ts";
import { ANSWER_MS } from "../service/times.ts";
import { pathsAcl, servicePaths, type Paths } from "./gateway-paths.ts";
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
  /** What the server behind it has for its callers; the service's own unless told. */
  readonly paths?: Paths;
  /** Clients come by a socket that another container holds; see gateway/listen. */
  readonly listener?: boolean;
  /** Replicas are spoken to in HTTP/2; they are unless told. */
  readonly http2?: boolean;
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

/** Bytes of bodies that are on their way to one replica at once. */
const mostOnTheWay = 16 * 1024 ** 2;

/** Bytes of a reply that are asked for before there is room for them: less than a buffer. */
const windowBytes = 12_288;

/** Clients at once. */
const mostClients = 12_000;
/** Of one address, so that it never has all of them. */
const mostOfAddress = 10_500;
/**
 * Of the engine's own port proxy, from where all come that speak to a port on loopback: it has six
 * descriptors for each, and ends for good when it has no more; with the usual 20,000 that is at 3,300.
 */
const mostOfEngine = 3000;
/** Bodies of one address that are on their way at once. */
const mostBodiesOfAddress = 512;
/** Large files of the documentation that one replica sends at once. */
const docsAtOnce = 4;

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

/** What an RFC 9457 answer of the gateway itself is made of. */
const problem = (status: number, title: string, detail?: string, more = ""): string =>
  `status ${status} content-type application/problem+json ` +
  `string '${JSON.stringify({ type: "about:blank", title, status, detail })}'${more}`;

const again = " hdr Retry-After 1";

/** HAProxy's own refusals, which would be HTML. */
const errors = [
  problem(400, "Bad request", "The request is not valid HTTP."),
  problem(403, "Forbidden", "The request is not allowed."),
  problem(408, "Request timeout", "The request came too slowly."),
  problem(413, "Content too large", "The body is larger than what is read."),
  problem(421, "Misdirected request", "The request is for another server."),
  problem(422, "Unprocessable content", "The request cannot be understood."),
  problem(425, "Too early", "The request has to be sent again.", again),
  problem(429, "Too many requests", "Too many requests at once; send it again later.", again),
  problem(500, "Internal error", "The gateway failed to answer this request."),
  problem(501, "Not implemented", "The gateway does not know this method."),
  problem(502, "Bad gateway", "The replica gave no valid answer.", again),
  problem(503, "Service unavailable", "No replica is ready to answer.", again),
  problem(504, "Gateway timeout", "The replica did not answer in time.", again),
].map((error) => `http-error ${error}`);

/** How replicas are found, and how many requests each has at once. */
interface Backend {
  readonly name: string;
  readonly balance: string;
  /** Requests at once on one replica, of all gateways together. */
  readonly places: number;
  readonly checked: boolean;
}

/**
 * The gateway's configuration. Where a figure decides something, the reason stands beside it.
 *
 * - Only what the server behind it has is let through, after the path was brought to its plain form.
 * - Replicas are found by DNS and checked every 0.5 s. One that refuses a connection is taken out at
 *   once; one that says it is not ready (it is about to stop) is given no more, and finishes what it
 *   has. That it has too much to do is no reason to give all of it to the others.
 * - Replicas are spoken to in HTTP/2: what is asked and answered at about the same time is one read and
 *   one write for both sides, which is most of what a small request costs.
 * - A prediction can be repeated, so a request whose body fits the buffer is sent again elsewhere.
 * - Places at a replica are for requests that are there. Those whose body is still on its way wait for
 *   places of their own, as many as a replica has memory for: who sends slowly, or a body of a length
 *   that nobody knows, keeps no place from the others. So do large files of the documentation.
 */
export function gatewayConfig(settings: GatewaySettings): string {
  const { serviceName, deadline, gateways = 1, maxBody = USUAL_BODY, http2 = true } = settings;
  const { paths = servicePaths, listener = false, cpus = 1, memory = 256 } = settings;
  const times = gatewayTimes(deadline);
  const health = `option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host ${serviceName} hdr Connection close`;
  const checks =
    "weight 100 check inter 500ms fastinter 200ms downinter 500ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down slowstart 2s ";
  const protocol = http2 ? " proto h2 check-proto h1" : "";
  const replicas = `server-template replica ${slots} ${serviceName}:${servicePort}${protocol} resolvers docker init-addr last,none resolve-prefer ipv4`;
  const backend = ({ name, balance, places, checked }: Backend): string => {
    const most = Math.ceil(places / gateways);
    const connections = `maxconn ${most} pool-max-conn ${most} pool-purge-delay 30s`;
    return `backend ${name}
  balance ${balance}
  ${checked ? `${health}\n  default-server ${checks}${connections}` : `default-server ${connections}`}
  ${replicas}
`;
  };
  const larger = maxBody > USUAL_BODY;
  const bind = "backlog 8192 tcp-ut 30s";
  return `global
  # What one that stops, or was replaced by a reload, has left by then are idle clients, which would
  # otherwise keep it for their whole keep-alive time.
  hard-stop-after ${times.hardStop}ms
  maxconn ${mostClients}
  nbthread 1
  # Many clients, but few connections to each replica: two descriptors a client are never needed.
  no strict-limits
  # Idle connections to replicas are kept only while descriptors in use are below these shares; with
  # thousands of clients the defaults (25%) would open a new connection for nearly every request.
  tune.pool-high-fd-ratio 100
  tune.pool-low-fd-ratio 99
  # No more of a reply is asked for than there is room for it: a client that does not read would
  # otherwise hold up all the others whose replies come on the same connection.
  tune.h2.be.initial-window-size ${windowBytes}
  tune.h2.be.max-concurrent-streams ${streamsOfGateway(memory, cpus)}
  # Paths are normalised, which HAProxy still calls experimental.
  expose-experimental-directives
  stats socket /run/haproxy/admin.sock mode 600 level admin
  # The replicas that were there last, for one that starts again.
  server-state-file "\${KNOWN}"
  log stdout format raw local0 notice

resolvers docker
  nameserver engine 127.0.0.11:53
  accepted_payload_size 8192
  resolve_retries 3
  timeout resolve 500ms
  timeout retry 500ms
  hold valid 500ms
  hold obsolete 0s
  # Nothing that is said of all of them together says that they are gone: an engine may forget its
  # names, or not answer. Those that are known stay until they fail.
  hold nx 10m
  hold other 10m
  hold refused 10m
  hold timeout 10m

defaults
  mode http
  log global
  option dontlog-normal
  load-server-state-from-file global
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
  ${errors.join("\n  ")}

frontend api
  # Clients may be further away than replicas: they have their own time to confirm data.
  bind :${gatewayPort} ${bind}
${listener ? `  bind "fd@\${LISTENING}" ${bind}\n` : ""}  # No address has all places for clients, and the engine's proxy not more than it survives.
  tcp-request connection track-sc0 src table addresses
  tcp-request connection reject if { sc0_conn_cur gt ${mostOfAddress} }
  tcp-request connection reject if { src "\${ENGINE}" } { sc0_conn_cur gt ${mostOfEngine} }
  option http-buffer-request
  # Nobody is followed to another protocol: the request is answered in the one it came in.
  http-request del-header Connection
  http-request del-header Upgrade
  http-request del-header HTTP2-Settings
  http-request return ${problem(405, "Method not allowed", "The method is none that is served here.", ' hdr Allow "GET, HEAD, POST"')} unless { method GET HEAD POST PUT PATCH DELETE OPTIONS }
  ${pathsAcl("served", paths).join("\n  ")}
  http-request normalize-uri percent-decode-unreserved strict unless served
  http-request normalize-uri path-merge-slashes unless served
  http-request normalize-uri path-strip-dot unless served
  http-request normalize-uri path-strip-dotdot full unless served
  http-request return ${problem(404, "Not found", "There is no such route. GET /docs lists those there are.")} unless served
  http-request return ${problem(413, "Content too large", `The body is larger than ${maxBody} bytes, the most that is read.`)} if { req.body_size gt ${maxBody} }
  # Whether all of the body is in the buffer. One whose length is not told may go on where it is full.
  http-request set-var(txn.there) req.body_len
  acl partly req.body_size,sub(txn.there) gt 0
  acl untold req.hdr_cnt(content-length) eq 0
  acl much req.body_len gt 4096
  acl on_its_way var(txn.coming) -m bool
  http-request set-var(txn.coming) bool(true) if partly or untold much
  http-request track-sc1 src table bodies_of if on_its_way
  http-request return ${problem(429, "Too many requests", "Too many bodies of this address are on their way at once.", again)} if on_its_way { sc1_conn_cur gt ${mostBodiesOfAddress} }
  # Checks are to choose among replicas, not to turn one that is slow for all into an outage: when
  # they find none, requests go to whatever the network still knows, and wait there.
  use_backend unchecked if !{ nbsrv(replicas) gt 0 } { nbsrv(unchecked) gt 0 }
  use_backend docs if { path_beg /docs/ }
${larger ? `  use_backend large if { req.body_size gt ${USUAL_BODY} }\n  use_backend large if on_its_way untold\n` : ""}  use_backend bodies if on_its_way
  default_backend replicas

# How many connections, and bodies on their way, an address has.
backend addresses
  stick-table type ipv6 size 100k expire 10m store conn_cur
backend bodies_of
  stick-table type ipv6 size 100k expire 10m store conn_cur

# The one with the fewest connections of some drawn at random, often enough that one which is deaf for
# a moment, because it loads a model, is not all that was drawn: leastconn gives those that have none
# their turn in the order in which they finished, so that the quickest has two of each five that come
# together. Weights make the draw even: each is so many places on a ring.
${[
  { name: "replicas", balance: "random(8)", places: mostInFlight, checked: true },
  {
    name: "bodies",
    balance: "leastconn",
    places: bodiesAtOnce(memory, cpus),
    checked: true,
  },
  { name: "docs", balance: "leastconn", places: docsAtOnce, checked: true },
  ...(larger
    ? [{ name: "large", balance: "leastconn", places: placesForLarge(settings), checked: true }]
    : []),
  { name: "unchecked", balance: "leastconn", places: mostInFlight, checked: false },
]
  .map(backend)
  .join("\n")}
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
