import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { pythonWith } from "../python.ts";
import { ROOT, startService } from "./process.ts";

const run = promisify(execFile);
const HERE = import.meta.dirname;
const REQUIREMENTS = join(HERE, "requirements.txt");

describe("public tools against the live service", () => {
  it.each(["iris", "named_inputs", "every_input", "nested"])(
    "schemathesis finds nothing in the OpenAPI document of %s",
    async (model) => {
      const python = await pythonWith(REQUIREMENTS);
      const folder = model === "iris" ? "service/models/iris" : `test/models/${model}`;
      const service = await startService({ MODEL_FILE: join(ROOT, folder) });
      try {
        const command = [
          "-m",
          "schemathesis.cli",
          "--config-file",
          join(HERE, "schemathesis.toml"),
          "run",
        ];
        const options = ["--checks", "all", "--max-examples", "30", "--seed", "1", "--no-color"];
        const { stdout } = await run(
          python,
          [...command, `${service.url}/openapi.json`, ...options],
          {
            maxBuffer: 64 * 1024 * 1024,
            cwd: join(ROOT, "test"),
          },
        ).catch((error: unknown) => {
          const text = (error as { stdout?: string }).stdout ?? String(error);
          throw new Error(`schemathesis failed:\n${text.slice(-3000)}`);
        });
        expect(stdout).toMatch(/Tested: 14/);
      } finally {
        await service.stop();
      }
    },
  );

  it("NVIDIA's client of protocol V2 reads, infers and understands the errors", async () => {
    const python = await pythonWith(REQUIREMENTS);
    const service = await startService();
    try {
      const { stdout } = await run(python, [
        join(HERE, "v2_client.py"),
        `127.0.0.1:${service.port}`,
        "iris",
      ]);
      expect(stdout.trim()).toBe("ok");
    } finally {
      await service.stop();
    }
  });
});
