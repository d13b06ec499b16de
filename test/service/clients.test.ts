import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { pythonWith } from "../python.ts";
import { mlflowServer } from "./mlflow-server.ts";
import { ROOT, startService } from "./process.ts";

const run = promisify(execFile);
const HERE = import.meta.dirname;
const REQUIREMENTS = join(HERE, "requirements.txt");

/** Runs all checks over the operations chosen. Throws Error with its findings. */
async function schemathesis(python: string, url: string, choice: readonly string[]): Promise<void> {
  const command = [
    "-m",
    "schemathesis.cli",
    "--config-file",
    join(HERE, "schemathesis.toml"),
    "run",
  ];
  const options = ["--checks", "all", "--max-examples", "20", "--seed", "1", "--no-color"];
  const { stdout } = await run(python, [...command, `${url}/openapi.json`, ...options, ...choice], {
    maxBuffer: 64 * 1024 * 1024,
    // Its own state stays out of the clone.
    cwd: dirname(python),
  }).catch((error: unknown) => {
    const text = (error as { stdout?: string }).stdout ?? String(error);
    throw new Error(`schemathesis failed:\n${text.slice(-3000)}`);
  });
  expect(stdout).toMatch(/Operations: +\d+ selected/);
}

describe("public tools against the live service", () => {
  it.each(["iris", "named_inputs", "every_input", "nested", "optional", "lone_text"])(
    "schemathesis finds nothing in the OpenAPI document of %s",
    async (model) => {
      const python = await pythonWith(REQUIREMENTS);
      const folder = model === "iris" ? "service/models/iris" : `test/models/${model}`;
      const service = await startService({ MODEL_FILE: join(ROOT, folder), MAX_ROWS: "50" });
      try {
        await schemathesis(python, service.url, ["--exclude-operation-id-regex", "Infer$"]);
        // That a tensor has as many elements as its shape says is beyond JSON Schema: an infer
        // request can fit the schema and still be wrong.
        const infer = ["--include-operation-id-regex", "Infer$"];
        await schemathesis(python, service.url, [
          ...infer,
          "--exclude-checks",
          "positive_data_acceptance",
        ]);
      } finally {
        await service.stop();
      }
    },
  );

  it("schemathesis finds nothing in what a registry's model says of itself, refusals and history too", async () => {
    const python = await pythonWith(REQUIREMENTS);
    const mlflow = await mlflowServer("iris");
    mlflow.promote("1", join(ROOT, "service/models/iris"));
    const cacheFolder = await mkdtemp(join(tmpdir(), "registry-document-"));
    const service = await startService({
      MLFLOW_URL: mlflow.url,
      MODEL: "iris",
      REGISTRY_INTERVAL: "200ms",
      CACHE_FOLDER: cacheFolder,
    });
    const told = async (): Promise<{ version: string; refused?: object }> =>
      (await (await fetch(`${service.url}/model`)).json()) as { version: string; refused?: object };
    const until = async (reached: (model: { version: string; refused?: object }) => boolean) => {
      while (!reached(await told())) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    const check = () => schemathesis(python, service.url, ["--include-operation-id", "model"]);
    try {
      await check();
      mlflow.promote("2", join(ROOT, "service/models/iris"));
      await until(({ version }) => version === "2");
      await check();
      // A folder without an MLmodel is none that a registry has.
      mlflow.promote("3", join(ROOT, "test/models/lone_text"));
      await until(({ refused }) => refused !== undefined);
      await check();
      expect(await told()).toMatchObject({
        version: "2",
        history: [{ version: "2" }, { version: "1", until: expect.any(String) as string }],
      });
    } finally {
      mlflow.close();
      await service.stop();
      await rm(cacheFolder, { recursive: true });
    }
  });

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
