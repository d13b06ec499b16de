// Who may ask what. Pages of other sites reach a port on loopback through the reader's browser:
// the Host header tells a rebound name, Origin and Sec-Fetch-Site tell a foreign page. Scripts send
// neither of the latter and are let through. Who knows the token may use any name: under a rebound one
// the browser has no cookie to send. Nothing of a body is read before this has been asked.
import { createHash, timingSafeEqual } from "node:crypto";
import { isIPv4 } from "node:net";

export interface GuardOptions {
  /** What callers must know; null where they need not know anything. */
  token: string | null;
  /** Whether who calls from an address needs no token; nobody unless told. */
  exempt?: (address: string | undefined) => boolean;
}

/** The parts of a request that are judged; header names in lower case. */
export interface Asked {
  method: string;
  path: string;
  header: (name: string) => string | undefined;
  /** Address of who asks, where it is known. */
  from: string | undefined;
}

export type Verdict = { ok: true } | { ok: false; status: 401 | 403; message: string };

/**
 * Whether a Host header is a name, or an address as URLs write it, perhaps with a port. Everything else
 * (127.1, 127.999.1.1, me@here, a port of 99999) some parsers read in one way and some in another.
 */
export function isHost(host: string): boolean {
  const url = `http://${host}/`;
  if (!/^[\w.:[\]-]+$/.test(host)) return false;
  return URL.canParse(url) && new URL(url).host === host.toLowerCase().replace(/:80$/, "");
}

/** Whether a Host header names the machine that it is sent on. */
function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || (isIPv4(name) && name.startsWith("127."));
}

const cookieName = "loadtest_token";

/** The cookie that shows the token. */
export const tokenCookie = (token: string): string => `${cookieName}=${encodeURIComponent(token)}`;

/** Whether two secrets are the same, in a time that tells nothing. */
export function sameSecret(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

/** Cookies are compared as they are sent: what is never decoded cannot be malformed. */
function knows({ header }: Asked, token: string): boolean {
  const bearer = /^Bearer +(.+)$/i.exec(header("authorization") ?? "")?.[1];
  if (bearer !== undefined && sameSecret(bearer, token)) return true;
  const cookies = (header("cookie") ?? "").split(";").map((part) => part.trim());
  return cookies.some(
    (cookie) => cookie.startsWith(`${cookieName}=`) && sameSecret(cookie, tokenCookie(token)),
  );
}

/** Routes that change something, whatever their method: Locust stops a run by GET. */
const changes = ({ method, path }: Asked): boolean =>
  (method !== "GET" && method !== "HEAD") || path === "/stop" || path === "/stats/reset";

/** Whether a page of another site made the browser send it. */
function isForeign({ header }: Asked): boolean {
  const site = header("sec-fetch-site");
  const origin = header("origin");
  return (
    (site !== undefined && site !== "same-origin" && site !== "none") ||
    (origin !== undefined &&
      (!URL.canParse(origin) || new URL(origin).host !== (header("host") ?? "").toLowerCase()))
  );
}

export function judgeRequest(asked: Asked, { token, exempt }: GuardOptions): Verdict {
  if (asked.path === "/healthz") return { ok: true };
  const known = token !== null && knows(asked, token);
  const needsToken = token !== null && exempt?.(asked.from) !== true;
  const host = asked.header("host") ?? "";
  if (!known && !needsToken && !isLoopback(host)) {
    return { ok: false, status: 403, message: `"${host}" is not a name of this load test.` };
  }
  if (changes(asked) && isForeign(asked)) {
    return { ok: false, status: 403, message: "Another site's page may not do this." };
  }
  // The page itself holds nothing; where a token is needed it asks for one.
  const open = asked.path === "/login" || (asked.path === "/" && asked.method === "GET");
  if (!known && needsToken && !open) {
    return {
      ok: false,
      status: 401,
      message: "This needs the load test's token: Authorization: Bearer TOKEN.",
    };
  }
  return { ok: true };
}
