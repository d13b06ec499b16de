import { existsSync } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Budget } from "../budget.ts";
import { problem, type Problem } from "../problem.ts";
import { PIECE_BYTES } from "../unsent.ts";

const TYPES: Readonly<Record<string, string>> = {
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

/** Files on their way at once: who looks at the page needs three, and predictions go before it. */
const MOST_FILES = 16;
/** What one of them holds: a piece that is read, and one that is sent. */
const FILE_BYTES = 2 * PIECE_BYTES;

const NO_SUCH_FILE = problem(404, "There is no such file. GET /docs is the page.");
const TOO_MANY = problem(503, "Too many files of the documentation are being sent already.", {
  headers: { "Retry-After": "1" },
});

/**
 * The files of the documentation page. The largest has more bytes than a small replica has to spare, so
 * they are read as they are taken, and only so many at once.
 */
export class DocsFiles {
  readonly #budget: Budget;
  #open = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** @param headOnly without its content */
  async response(name: string, headOnly: boolean): Promise<Response | Problem> {
    const headers = { ...SECURITY, "cache-control": "public, max-age=3600" };
    if (name === "start.js") {
      return new Response(START, {
        headers: { ...headers, "content-type": "text/javascript; charset=utf-8" },
      });
    }
    const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
    if (type === undefined) return NO_SUCH_FILE;
    const path = join(assetFolder(), name);
    const { size } = await stat(path);
    const described = { ...headers, "content-type": type, "content-length": String(size) };
    if (headOnly) return new Response(null, { headers: described });
    if (this.#open >= MOST_FILES || !this.#budget.take(FILE_BYTES)) return TOO_MANY;
    this.#open++;
    const body = readAsTaken(path, () => {
      this.#open--;
      this.#budget.give(FILE_BYTES);
    });
    return new Response(body, { headers: described });
  }
}

/** @param onEnd called once, when nothing more is read */
function readAsTaken(path: string, onEnd: () => void): ReadableStream<Uint8Array> {
  let file: FileHandle | undefined;
  const end = async (): Promise<void> => {
    onEnd();
    await file?.close();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          file ??= await open(path);
          const piece = new Uint8Array(PIECE_BYTES);
          const { bytesRead } = await file.read(piece);
          if (bytesRead > 0) controller.enqueue(piece.subarray(0, bytesRead));
          else {
            controller.close();
            await end();
          }
        } catch (error) {
          controller.error(error);
          await end();
        }
      },
      cancel: end,
    },
    // Nothing before it is asked for.
    { highWaterMark: 0 },
  );
}
