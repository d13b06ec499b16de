// The peer in Rust, built by cargo into the cache that all clones share.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { root } from "../../toolchain/clone.mjs";
import { cacheDir } from "../../toolchain/paths.mjs";
import { which } from "../../toolchain/process.mjs";

/** The ONNX Runtime that the service has, and the model. */
export const rustLibrary = join(
  root,
  `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/libonnxruntime.so.1`,
);
export const rustModel = join(root, "service/models/iris/model.onnx");

/** What a table says where there is no such peer. */
export const rustMissing =
  "The Rust server was left out: cargo is not on PATH (https://rustup.rs installs it).";

/** The program, minutes after the first call, at once after others; undefined where there is no cargo. */
export async function rustPeer(): Promise<string | undefined> {
  if (which("cargo") === undefined) {
    process.stderr.write(`${rustMissing}\n`);
    return undefined;
  }
  const target = join(cacheDir(), "rust-peer");
  const build = spawn("cargo", ["build", "--release", "--locked", "--target-dir", target], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(build, "close")) as [number | null];
  if (code !== 0) {
    throw new Error(
      "cargo cannot build bench/rust: see above. It needs a C compiler and the crates registry.",
    );
  }
  return join(target, "release/rust-peer");
}
