import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { getCACertificates } from "node:tls";
import { RegistryError, reasonOf } from "./registry-error.ts";
import { steadily } from "./steadily.ts";

/** How somebody proves who they are to MLflow; at most one of the two. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly user: string; readonly password: string }
  | { readonly kind: "bearer"; readonly token: string };

export interface HttpSettings {
  /** MLflow's own address: credentials go to its origin and nowhere else. */
  readonly trusted: URL;
  readonly credentials: Credentials;
  /** PEM of a private certificate authority, trusted beside the public ones. */
  readonly ca?: string;
  /** The longest wait for the headers of a reply, in ms. */
  readonly replyTimeoutMs: number;
  /** The longest silence in the middle of a body, in ms. */
  readonly stallTimeoutMs: number;
}

export interface Http {
  /** The parsed body of a 200, or undefined for a 304 to `etag`. */
  json(url: URL, signal: AbortSignal, options?: JsonOptions): Promise<JsonReply | undefined>;
  /** The body of a 200, unread: to be read with `steadily`. */
  open(url: URL, signal: AbortSignal): Promise<IncomingMessage>;
}

export interface JsonOptions {
  readonly etag?: string;
}

export interface JsonReply {
  readonly body: unknown;
  readonly etag: string | undefined;
}

/** No reply of MLflow's that we ask for comes near it: an artifact folder of 1,000 files is 100 kB. */
const MAX_JSON_BYTES = 1024 ** 2;
const MAX_REDIRECTS = 3;

export const trustedAuthorities = (ca: string | undefined): string[] | undefined =>
  ca === undefined ? undefined : [...getCACertificates("default"), ca];

/**
 * A client for replies nobody vouches for: every wait, size and redirect has a limit.
 * node:http rather than fetch, which would cost a serving process 10 MB of memory.
 */
export function createHttp(settings: HttpSettings): Http {
  const authorities = trustedAuthorities(settings.ca);

  const send = (url: URL, headers: Record<string, string>, signal: AbortSignal) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        headers: { "accept-encoding": "identity", "user-agent": "inference-stack", ...headers },
        signal,
        agent: false as const,
        ...(authorities === undefined ? {} : { ca: authorities }),
      };
      const request =
        url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
      const failed = (cause: Error): void => {
        reject(new RegistryError(`${url.host} cannot be reached: ${reasonOf(cause)}`, { cause }));
      };
      const timer = setTimeout(() => {
        request.destroy(new Error(`no reply within ${settings.replyTimeoutMs / 1000} s`));
      }, settings.replyTimeoutMs);
      request.once("error", failed);
      request.once("close", () => {
        clearTimeout(timer);
      });
      request.once("response", (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      request.end();
    });

  const follow = async (
    url: URL,
    signal: AbortSignal,
    extra: Record<string, string> = {},
  ): Promise<IncomingMessage> => {
    let target = url;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const reply = await send(target, { ...authorizationFor(target, settings), ...extra }, signal);
      const { location } = reply.headers;
      const moved = [301, 302, 303, 307, 308].includes(reply.statusCode ?? 0);
      if (!moved || location === undefined) return reply;
      reply.destroy();
      target = redirected(target, location);
    }
    throw new RegistryError(`${url.host} redirected more than ${MAX_REDIRECTS} times`);
  };

  const text = (reply: IncomingMessage, url: URL, signal: AbortSignal) =>
    readText(reply, url, settings.stallTimeoutMs, signal);

  return {
    async json(url, signal, { etag } = {}) {
      const reply = await follow(url, signal, {
        accept: "application/json",
        ...(etag === undefined ? {} : { "if-none-match": etag }),
      });
      if (reply.statusCode === 304) {
        reply.resume();
        return undefined;
      }
      const body = await text(reply, url, signal);
      if (reply.statusCode !== 200) throw refusal(url, reply.statusCode ?? 0, body);
      return { body: parseJson(body, url), etag: reply.headers.etag };
    },
    async open(url, signal) {
      const reply = await follow(url, signal);
      if (reply.statusCode === 200) return reply;
      throw refusal(url, reply.statusCode ?? 0, await text(reply, url, signal));
    },
  };
}

/**
 * What proves to `target` who asks. Registries name addresses, of artifacts and in redirects, and
 * whoever may register a model chooses them: they get none, unless they are MLflow's own. Pure.
 */
export const authorizationFor = (
  target: URL,
  { trusted, credentials }: Pick<HttpSettings, "trusted" | "credentials">,
): Record<string, string> =>
  target.origin === trusted.origin ? authorizationHeader(credentials) : {};

export function authorizationHeader(credentials: Credentials): Record<string, string> {
  switch (credentials.kind) {
    case "none":
      return {};
    case "bearer":
      return { authorization: `Bearer ${credentials.token}` };
    case "basic": {
      const pair = Buffer.from(`${credentials.user}:${credentials.password}`, "utf8");
      return { authorization: `Basic ${pair.toString("base64")}` };
    }
  }
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  if (!to || (to.protocol !== "https:" && (to.protocol !== "http:" || from.protocol === "https:")))
    throw new RegistryError(`${from.host} redirected to an address that is not allowed`);
  return to;
}

/** The text of a reply. @throws RegistryError when it has more than `most` bytes or stalls */
export async function readText(
  reply: IncomingMessage,
  url: URL,
  stallTimeoutMs: number,
  signal: AbortSignal,
  most = MAX_JSON_BYTES,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of steadily(reply, url.host, stallTimeoutMs, signal)) {
    bytes += chunk.length;
    if (bytes > most) throw new RegistryError(`${url.host} replied with more than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The value of a reply's text. @throws RegistryError when it is not JSON */
export function parseJson(text: string, url: URL): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RegistryError(`${url.host} answered ${url.pathname} with something not JSON`, {
      cause,
    });
  }
}

/** An MLflow error body is `{error_code, message}`; anything else is quoted shortly. */
function refusal(url: URL, status: number, text: string): RegistryError {
  let message = text.slice(0, 200);
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && "message" in body)
      message = String(body.message).slice(0, 300);
  } catch {
    // Not MLflow's own words: the quote stands.
  }
  const hint =
    status === 401
      ? " (check the user, password or token given for MLflow)"
      : status === 403 && message.includes("Host header")
        ? ` (MLflow must be told to allow the name ${url.host}: MLFLOW_SERVER_ALLOWED_HOSTS there)`
        : "";
  return new RegistryError(
    `${url.host} answered ${status}: ${message.trim().replaceAll(/\s+/g, " ")}${hint}`,
    // What is wrong with the question will be wrong with the same question in a second.
    { status, permanent: status >= 400 && status < 500 && status !== 408 && status !== 429 },
  );
}
