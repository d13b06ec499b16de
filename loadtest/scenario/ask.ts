// One request and its whole reply, by the engine's own connection: what a load is made of is asked for,
// and tried, in the way that the load itself goes.
import { Addresses } from "../engine/addresses.ts";
import { Connection, endpointOf } from "../engine/connection.ts";
import { encodeRequest } from "../engine/plan.ts";
import { UserError } from "../units.ts";
import type { Request } from "./scenario.ts";

/** Where requests go. */
export interface Target {
  /** Origin. */
  readonly host: string;
  /** Accept any certificate. */
  readonly insecure: boolean;
}

export type Answer = { status: number; body: Buffer } | { failure: string };

/**
 * Sends `request`. A target that does not answer within `timeoutMs` is an answer too.
 * @throws UserError where nobody knows its name
 */
export async function ask(
  { host, insecure }: Target,
  request: Request,
  timeoutMs: number,
): Promise<Answer> {
  const url = new URL(host);
  const endpoint = endpointOf(url);
  const addresses = new Addresses(endpoint.host);
  try {
    await addresses.resolve();
  } catch (error) {
    throw new UserError(`Nothing was sent, as ${(error as Error).message}.`);
  }
  return new Promise((resolve) => {
    const end = (answer: Answer): void => {
      clearTimeout(timer);
      connection.close();
      resolve(answer);
    };
    const connection = new Connection(
      { ...endpoint, insecure, address: () => addresses.next() },
      {
        replied: () => {
          end({ status: connection.reply.status, body: connection.reply.body() });
        },
        broke: (failure) => {
          end({ failure });
        },
        wants: () => true,
      },
    );
    const timer = setTimeout(() => {
      connection.fail(`no reply within ${timeoutMs / 1000} s`);
    }, timeoutMs);
    connection.send(encodeRequest(request, url.host), request.method === "HEAD", true);
  });
}
