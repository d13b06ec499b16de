import { docker } from "./engine.ts";

/** What the engine, the gateway and the load test ask, and nobody else. */
const checks = new Set(["/healthz", "/readyz", "/metrics"]);

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
  const url = "http://" + address + ":" + scrape.port + "/metrics";
  const reply = await fetch(url, { signal: AbortSignal.timeout(3000) });
  return [address, await reply.text()];
};
require("node:dns/promises").resolve4(scrape.dns)
  .then((found) => Promise.allSettled(found.map(ask)))
  .then((all) => console.log(JSON.stringify(all.flatMap(({ value }) => (value ? [value] : [])))));`;

/**
 * What each replica was asked since it started, by its address: counted by the replica itself, because an
 * address, and the gateway's counters with it, passes on to the next one.
 *
 * @param loadtest the container that is on their network and has Node.js
 * @returns without those that do not answer
 */
export async function replicaRequests(loadtest: string): Promise<Map<string, number>> {
  try {
    const said = JSON.parse(await docker("exec", loadtest, "node", "-e", askAll)) as [
      string,
      string,
    ][];
    return new Map(said.map(([address, text]) => [address, countedRequests(text)]));
  } catch {
    return new Map();
  }
}

/** Of one that has several addresses, the count under the one by which it was asked. */
export const countOf = (
  addresses: readonly string[],
  requests: ReadonlyMap<string, number>,
): number | null =>
  addresses.map((address) => requests.get(address)).find((count) => count !== undefined) ?? null;
