import { docker } from "./engine.ts";
import { gatewayStatsPort } from "./gateway-config.ts";

/**
 * Requests by replica address from HAProxy's `show stat`, as CSV with a header line. Pure.
 * @returns only replicas that have an address, with the requests given to them since it started
 */
export function parseRequests(csv: string): Map<string, number> {
  const [header = "", ...lines] = csv.trim().split("\n");
  const columns = header.replace(/^# /, "").split(",");
  const column = (name: string) => columns.indexOf(name);
  const [proxy, address, total] = [column("pxname"), column("addr"), column("stot")];
  const requests = new Map<string, number>();
  for (const line of lines) {
    const cells = line.split(",");
    const ip = cells[address]?.split(":")[0] ?? "";
    if (!["replicas", "unchecked"].includes(cells[proxy] ?? "") || ip === "") continue;
    requests.set(ip, (requests.get(ip) ?? 0) + Number(cells[total] ?? 0));
  }
  return requests;
}

/** One gateway's container; or all gateways, by the name they answer to on a Node.js container's network. */
export type Gateways =
  { readonly container: string } | { readonly from: string; readonly name: string };

/** Asks each address of a name for the counters of the gateway there; prints a list of CSVs. */
const askAll = `
const { lookup } = require("node:dns/promises");
const [name, port] = process.argv.slice(1);
const ask = async ({ address }) =>
  (await fetch("http://" + address + ":" + port + "/;csv", { signal: AbortSignal.timeout(5000) })).text();
lookup(name, { all: true, family: 4 })
  .then((found) => Promise.all(found.map(ask)))
  .then((all) => console.log(JSON.stringify(all)));`;

/**
 * HAProxy's `show stat` of each gateway, as CSV with a header line.
 * @returns nothing where they do not answer: a stack that is just coming up has no counters yet
 */
export async function gatewayStats(gateways: Gateways): Promise<string[]> {
  try {
    if ("container" in gateways) {
      return [await docker("exec", gateways.container, "/gateway/stats")];
    }
    const { from, name } = gateways;
    const port = String(gatewayStatsPort);
    return JSON.parse(await docker("exec", from, "node", "-e", askAll, name, port)) as string[];
  } catch {
    return [];
  }
}

/** What each replica was given by all gateways together, by its address. */
export async function replicaRequests(gateways: Gateways): Promise<Map<string, number>> {
  const requests = new Map<string, number>();
  for (const csv of await gatewayStats(gateways)) {
    for (const [address, n] of parseRequests(csv)) {
      requests.set(address, (requests.get(address) ?? 0) + n);
    }
  }
  return requests;
}
