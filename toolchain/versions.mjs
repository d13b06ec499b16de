// The one place where what the project stands on is pinned. Dependency-free: read before anything is installed.

export const versions = {
  /** Node of the base image; the same one as npm's node-linux-* packages put on the host. */
  node: "24.21.0",
  /** Debian release the base images are made of. */
  debian: "bookworm",
  /** HAProxy's branch, the tag of the official image, and the Debian release that ships it. */
  haproxy: "3.0",
  haproxyDebian: "trixie",
  /** MLflow of its image; requirements.in beside its recipe says the same. */
  mlflow: "3.17.2",
  /** MinIO's last state, as the Go module in images/base-minio pins it. */
  minio: "2026-02-12",
  /** PostgreSQL of that Debian release. */
  postgres: "15",
  /** Pulumi's CLI, also the version of its npm launcher in toolchain/upstream. */
  pulumi: "3.259.0",
  /** Node language host, last published inside the SDK's Go module at this version. */
  languageHost: "3.68.0",
  /** Resource plugins, as the npm packages @pulumi/docker and @pulumi/command ask for them. */
  plugins: { docker: "5.2.0", command: "1.2.1" },
};

/** Names under which the base images stand in the engine. */
export const baseImages = {
  node: `inference-stack/base-node:${versions.node}`,
  haproxy: `inference-stack/base-haproxy:${versions.haproxy}`,
  mlflow: `inference-stack/base-mlflow:${versions.mlflow}`,
  minio: `inference-stack/base-minio:${versions.minio}`,
  postgres: `inference-stack/base-postgres:${versions.postgres}`,
};
