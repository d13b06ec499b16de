// The yardstick: Node's own HTTP server that parses the same JSON and answers without a model.
import { createServer } from "node:http";

const REPLY =
  '{"label":0,"class":"setosa","probabilities":{"setosa":0.98223168,"versicolor":0.01776798814535141,"virginica":3.393047904864943e-7}}';

createServer((request, response) => {
  if (request.method !== "POST") {
    response.writeHead(404).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const row: unknown = JSON.parse(
      (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString() ?? "",
    );
    const ok = typeof row === "object";
    response.writeHead(ok ? 200 : 400, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(REPLY),
    });
    response.end(REPLY);
  });
}).listen(Number(process.env["PORT"]), process.env["HOST"] ?? "127.0.0.1");
