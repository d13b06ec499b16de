// HTTP/2 on the port of HTTP/1.1, for clients that know it is spoken there, as a gateway does. Without this
// folder, and the lines of server.ts that name it, the service speaks HTTP/1.1 alone.
import type { App } from "../app.ts";
import type { Operation, Services } from "../exchange.ts";
import type { Protocol } from "../server.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { PREFACE } from "./frame.ts";
import { RoutedRequest, StreamExchange } from "./request.ts";

/** Which operation a request is for that is taken before the routes. */
type Direct = (method: string | undefined, path: string | undefined) => Operation | undefined;

export function http2(
  app: App,
  services: Services,
  direct: Direct,
  given: Omit<ConnectionOptions, "maxBody" | "budget">,
): Protocol {
  const { maxBody, budget } = services;
  const options = { ...given, maxBody, budget };
  return {
    preface: PREFACE,
    speak: (socket, first) =>
      new Connection(socket, first, options, (stream, replies) => {
        const { headers } = stream;
        const operation = direct(headers.get(":method"), headers.get(":path"));
        return operation
          ? new StreamExchange(services, operation, stream, replies).start()
          : new RoutedRequest(services, app, stream, replies);
      }),
  };
}
