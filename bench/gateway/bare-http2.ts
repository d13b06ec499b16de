// The yardstick for HTTP/2: Node's own server, with what bench/service/bare.ts does.
import { createServer } from "node:http2";

const REPLY =
  '{"label":0,"class":"setosa","probabilities":{"setosa":0.98223168,"versicolor":0.01776798814535141,"virginica":3.393047904864943e-7}}';

createServer({ settings: { maxConcurrentStreams: 256 } })
  .on("stream", (stream) => {
    const chunks: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const row: unknown = JSON.parse(Buffer.concat(chunks).toString() || "{}");
      stream.respond({
        ":status": typeof row === "object" ? 200 : 400,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(REPLY),
      });
      stream.end(REPLY);
    });
  })
  .listen(Number(process.env["PORT"]), process.env["HOST"]);
