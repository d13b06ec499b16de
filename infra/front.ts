// The way in as clients of this machine have it: by the published port, which on loopback an engine's own
// proxy carries, to the listener, a gateway and a replica. That all of these are healthy does not say that
// it is open: the engine's proxy ends for good when it has no more descriptors, and nobody starts it anew.
import * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { docker, dockerJson, engineIsHere, ofStack } from "./engine.ts";
import { gatewayPort } from "./gateway-config.ts";
import { answersOk } from "./health-check.ts";
import type { Inspected } from "./status-table.ts";

export interface FrontStatus {
  readonly url: string;
  /** A replica behind it says that it is ready. */
  readonly open: boolean;
  /** What came back: a status, or why none did. */
  readonly answer: string;
}

/** ms for the whole way. */
const patienceMs = 5000;

/** The address of what a container publishes, as this machine reaches it; undefined where it does not. Pure. */
export function publishedUrl({ NetworkSettings: { Ports } }: Pick<Inspected, "NetworkSettings">) {
  const [published] = Ports[`${gatewayPort}/tcp`] ?? [];
  if (published === undefined) return undefined;
  const host = published.HostIp === "0.0.0.0" ? "127.0.0.1" : published.HostIp;
  return `http://${host}:${published.HostPort}`;
}

export async function askFront(url: string): Promise<FrontStatus> {
  try {
    const reply = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(patienceMs) });
    await reply.body?.cancel();
    return { url, open: reply.ok, answer: `answers ${reply.status}` };
  } catch (cause) {
    const { cause: inner = cause } = cause as { cause?: unknown };
    const { code, message } = inner as { code?: unknown; message?: string };
    // A deadline that passed has a number for a code.
    const reason = typeof code === "string" ? code : (message ?? "no reason");
    return { url, open: false, answer: `does not answer (${reason})` };
  }
}

/** How the way in of a stack is; undefined where it has none on this machine. */
export async function frontStatus(
  containers: readonly Inspected[],
): Promise<FrontStatus | undefined> {
  const listener = containers.find(
    ({ Config, State }) => Config.Labels[label.part] === "listener" && State.Running,
  );
  const url = listener && engineIsHere() ? publishedUrl(listener) : undefined;
  return url === undefined ? undefined : askFront(url);
}

/** Opens the way in where the engine's part of it has ended and all the rest goes on. */
export async function mendFront(identity: string): Promise<void> {
  const running = ["--filter", `label=${label.part}=listener`, ...ofStack(identity)];
  const [id] = (await docker("ps", "-q", ...running)).split("\n").filter(Boolean);
  if (id === undefined || !engineIsHere()) return;
  const [found] = await dockerJson<Inspected>("container", "inspect", "--format", "{{json .}}", id);
  const url = found && publishedUrl(found);
  if (url === undefined) return;
  const { answer } = await askFront(url);
  if (answer.startsWith("answers")) return;
  try {
    const patience = ["timeout", String(patienceMs / 1000)];
    await docker("exec", id, ...patience, ...answersOk(gatewayPort, "/readyz"));
  } catch {
    // No replica is ready, or no gateway is there: that is not for this to mend.
    return;
  }
  await docker("restart", "--time", "5", id);
  await pulumi.log.info(
    `${url} ${answer}, though a replica behind it was ready: the engine's port proxy had ended. ` +
      "The listener was restarted, and with it the proxy.",
  );
}
