import { docker } from "./engine.ts";
import { gatewayStatsPort } from "./gateway-config.ts";

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
