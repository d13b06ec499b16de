import { docker } from "./engine.ts";

/** What the engine, the gateway, the load test, the status and whoever publishes ask: hardly anybody else. */
const checks = new Set(["/healthz", "/readyz", "/model"]);

/** Requests that a replica has answered since it started, checks aside, by its own metrics. Pure. */
export function countedRequests(exposition: string): number {
  const lines = exposition.matchAll(/^http_requests_total\{.*?route="([^"]*)".*?\} (\d+)/gm);
  return [...lines].reduce(
    (sum, [, route = "", count]) => (checks.has(route) ? sum : sum + Number(count)),
    0,
  );
}

/** Asks every replica at once, as the load test finds them; prints what each said, by its address. */
const askAll = `
const { scrape } = JSON.parse(require("node:fs").readFileSync("/run/loadtest/settings.json", "utf8"));
const ask = async (address) => {
  const [, path] = process.argv;
  const port = path === "/metrics" ? scrape.metricsPort : scrape.port;
  const url = "http://" + address + ":" + port + path;
  const reply = await fetch(url, { signal: AbortSignal.timeout(3000) });
  return [address, await reply.text()];
};
require("node:dns/promises").resolve4(scrape.dns)
  .then((found) => Promise.all(found.map((address) => ask(address).catch(() => [address, null]))))
  .then((all) => console.log(JSON.stringify(all)));`;

/**
 * What every replica answers to `GET path`, by its address; null for one that does not answer.
 *
 * @param loadtest the container that is on their network and has Node.js
 * @returns none where nobody knows of any
 */
export async function askReplicas(
  loadtest: string,
  path: "/metrics" | "/model",
): Promise<readonly (readonly [string, string | null])[]> {
  try {
    return JSON.parse(await docker("exec", loadtest, "node", "-e", askAll, path)) as [
      string,
      string | null,
    ][];
  } catch {
    return [];
  }
}

/**
 * What each replica was asked since it started, by its address: counted by the replica itself, because an
 * address, and the gateway's counters with it, passes on to the next one. Without those that do not answer.
 */
export async function replicaRequests(loadtest: string): Promise<Map<string, number>> {
  const said = await askReplicas(loadtest, "/metrics");
  return new Map(
    said.flatMap(([address, text]) => (text === null ? [] : [[address, countedRequests(text)]])),
  );
}

/** Of one that has several addresses, the count under the one by which it was asked. */
export const countOf = (
  addresses: readonly string[],
  requests: ReadonlyMap<string, number>,
): number | null =>
  addresses.map((address) => requests.get(address)).find((count) => count !== undefined) ?? null;
