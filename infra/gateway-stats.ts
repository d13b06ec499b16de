import { docker } from "./engine.ts";

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
