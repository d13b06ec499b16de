import { createServer } from "node:net";

/** Whether nothing listens there; an address that is not this machine's cannot be tried from here. */
export function portIsFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once("error", (error: NodeJS.ErrnoException) => {
        resolve(error.code !== "EADDRINUSE");
      })
      .listen({ port, host, exclusive: true }, () =>
        server.close(() => {
          resolve(true);
        }),
      );
  });
}
