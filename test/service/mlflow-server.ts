// A server that answers as MLflow's REST API does, for tests that promote versions of their own.
import { createServer } from "node:http";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface MlflowServer {
  readonly url: string;
  /** Points the alias at a version whose artifacts are the files of a folder. */
  promote(version: string, folder: string): void;
  close(): void;
}

const API = "/api/2.0/mlflow";
const ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts";

/** @param name of the registered model; it has one alias, whatever it is asked for */
export async function mlflowServer(name: string): Promise<MlflowServer> {
  let promoted = { version: "", folder: "" };
  const answer = (path: string): object | Buffer | undefined => {
    const { version, folder } = promoted;
    const home = `${ARTIFACTS}/${version}/`;
    if (path.startsWith(home)) return readFileSync(join(folder, path.slice(home.length)));
    switch (path) {
      case `${API}/registered-models/alias`:
        return {
          model_version: { name, version, source: `mlflow-artifacts:/${version}`, tags: [] },
        };
      case `${API}/model-versions/get-download-uri`:
        return { artifact_uri: `mlflow-artifacts:/${version}` };
      case ARTIFACTS:
        return {
          files: readdirSync(folder).map((file) => ({
            path: file,
            is_dir: false,
            file_size: readFileSync(join(folder, file)).length,
          })),
        };
    }
    return undefined;
  };
  const server = createServer((request, reply) => {
    const found = answer(new URL(request.url ?? "", "http://mlflow").pathname);
    reply.writeHead(found === undefined ? 404 : 200);
    reply.end(Buffer.isBuffer(found) ? found : JSON.stringify(found ?? { message: "no such" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    promote: (version, folder) => {
      promoted = { version, folder };
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
