import { createReadStream, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";

const TYPES = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Inference service</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

// Addresses are relative to the page, so that it also works under a path of a gateway.
const START = `SwaggerUIBundle({ url: "openapi.json", dom_id: "#ui", deepLinking: true, tryItOutEnabled: true, validatorUrl: null });
`;

const SECURITY = {
  "content-security-policy":
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

/** Beside the bundle in an image, in its package on a developer's machine. */
function assetFolder(): string {
  const bundled = join(import.meta.dirname, "swagger-ui");
  return existsSync(bundled)
    ? bundled
    : dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
}

export const docsPage = (): Response =>
  new Response(PAGE, { headers: { ...SECURITY, "content-type": "text/html; charset=utf-8" } });

/** A file of the documentation page, or undefined for any other name. */
export function docsFile(name: string): Response | undefined {
  if (name === "start.js") {
    return new Response(START, {
      headers: { ...SECURITY, "content-type": TYPES["swagger-ui-bundle.js"] },
    });
  }
  const type = Object.entries(TYPES).find(([file]) => file === name)?.[1];
  if (type === undefined) return undefined;
  // Streamed: the bundle is larger than what a small replica has to spare.
  const body = Readable.toWeb(createReadStream(join(assetFolder(), name))) as ReadableStream;
  return new Response(body, {
    headers: { ...SECURITY, "content-type": type, "cache-control": "public, max-age=3600" },
  });
}
