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

/** What each replica was given, asked of a gateway container inside its own network. */
export async function replicaRequests(gateway: string): Promise<Map<string, number>> {
  try {
    return parseRequests(await docker("exec", gateway, "/gateway/stats"));
  } catch {
    return new Map();
  }
}

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
 * What each replica was given by all gateways together, on whatever nodes they run.
 * @param from a container with Node.js on their network
 * @param name what all of them answer to there
 */
export async function requestsOfAllGateways(
  from: string,
  name: string,
): Promise<Map<string, number>> {
  const requests = new Map<string, number>();
  try {
    const port = String(gatewayStatsPort);
    const text = await docker("exec", from, "node", "-e", askAll, name, port);
    for (const csv of JSON.parse(text) as string[]) {
      for (const [address, n] of parseRequests(csv)) {
        requests.set(address, (requests.get(address) ?? 0) + n);
      }
    }
  } catch {
    // A stack that is just coming up has no counters yet.
  }
  return requests;
}
