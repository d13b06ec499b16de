// Who may ask what. Pages of other sites reach a port on loopback through the reader's browser:
// the Host header tells a rebound name, Origin and Sec-Fetch-Site tell a foreign page. Scripts send
// neither of the latter and are let through. Where a token is asked for, any name will do: under a rebound
// one the browser has no cookie to send.
import { createHash, timingSafeEqual } from "node:crypto";

export interface GuardOptions {
  /** Names, beside loopback's, under which the master may be addressed without a token. */
  allowedHosts: readonly string[];
  /** Required when given. */
  token: string | null;
}

/** The parts of a request that are judged; header names in lower case. */
export interface Asked {
  method: string;
  path: string;
  header: (name: string) => string | undefined;
}

export type Verdict = { ok: true } | { ok: false; status: 401 | 403; message: string };

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** The name in a Host header, without its port. */
export const hostName = (host: string): string => host.replace(/:\d+$/, "").toLowerCase();

export const cookieName = "loadtest_token";

/** Whether two secrets are the same, in a time that tells nothing. */
export function sameSecret(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

export function tokenOf({ header }: Asked): string | undefined {
  const bearer = /^Bearer (.+)$/.exec(header("authorization") ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const cookie = (header("cookie") ?? "")
    .split(";")
    .map((part) => part.trim())
    .find((part) => part.startsWith(`${cookieName}=`));
  return cookie === undefined ? undefined : decodeURIComponent(cookie.slice(cookieName.length + 1));
}

/** Routes that change something, whatever their method: Locust stops a run by GET. */
const changes = ({ method, path }: Asked): boolean =>
  (method !== "GET" && method !== "HEAD") || path === "/stop" || path === "/stats/reset";

export function judgeRequest(asked: Asked, { allowedHosts, token }: GuardOptions): Verdict {
  if (asked.path === "/healthz") return { ok: true };
  const host = asked.header("host") ?? "";
  const named = loopback.test(hostName(host)) || allowedHosts.includes(hostName(host));
  if (token === null && !named) {
    return { ok: false, status: 403, message: `"${host}" is not a name of this load test.` };
  }
  if (changes(asked)) {
    const site = asked.header("sec-fetch-site");
    const origin = asked.header("origin");
    const foreign =
      (site !== undefined && site !== "same-origin" && site !== "none") ||
      (origin !== undefined &&
        (!URL.canParse(origin) || new URL(origin).host !== host.toLowerCase()));
    if (foreign) return { ok: false, status: 403, message: "Another site's page may not do this." };
  }
  // The page itself holds nothing; without a token it asks for one.
  const open = asked.path === "/login" || (asked.path === "/" && asked.method === "GET");
  if (token !== null && !open) {
    const given = tokenOf(asked);
    if (given === undefined || !sameSecret(given, token)) {
      return {
        ok: false,
        status: 401,
        message: "This needs the load test's token: Authorization: Bearer TOKEN.",
      };
    }
  }
  return { ok: true };
}
