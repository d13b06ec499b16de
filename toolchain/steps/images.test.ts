// The decisions about images, against an engine that is a shell script: no registry is needed to
// see what is pulled, labelled, kept and built instead.
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { root } from "../clone.mjs";
import { messageOf } from "../errors.mjs";
import { baseImages } from "../versions.mjs";
import { images } from "./images.mjs";

let dir: string;

/** Answers inspect with the label of the last build, and notes all else. */
const engine = `#!/bin/sh
cd "$(dirname "$0")"
case "$1 $2" in
  "image inspect")
    test -f dockerfile || exit 1
    case "$4" in *Size*) echo "42 $(sed -n 's/^LABEL .*=//p' dockerfile)" ;; *) cksum dockerfile ;; esac ;;
  "build --tag") cat > dockerfile ;;
  "pull "*) test ! -f offline || { echo "no such host" >&2; exit 1; } ;;
esac
echo "$@" >> asked
`;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "images-"));
  await writeFile(join(dir, "docker"), engine);
  await chmod(join(dir, "docker"), 0o755);
  vi.stubEnv("PATH", `${dir}${delimiter}${process.env.PATH ?? ""}`);
  vi.stubEnv("XDG_CACHE_HOME", dir);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

const silent = () => undefined;
const plan = () => images(["base-node"], "download", { yes: false }, silent);
const doAll = async () => Promise.all((await plan()).tasks.map((task) => task.run(silent)));

test("a published image is pulled, given our configuration and its recipe's label, and kept", async () => {
  const [outcome] = await doAll();
  expect(outcome).toMatchObject({ piece: baseImages.node, source: "download", bytes: 42 });
  expect(await readFile(join(dir, "asked"), "utf8")).toMatch(/^pull node:24.*-bookworm-slim$/m);
  const dockerfile = await readFile(join(dir, "dockerfile"), "utf8");
  expect(dockerfile).toMatch(/^FROM node:24[^]*^USER 65534:65534$[^]*^LABEL .*=download-\w+$/m);
  expect(await plan()).toMatchObject({ done: [{ kept: true, source: "download" }], tasks: [] });
});

test("an image of an older recipe is made again, and its predecessor removed", async () => {
  await doAll();
  const dockerfile = await readFile(join(dir, "dockerfile"), "utf8");
  await writeFile(join(dir, "dockerfile"), dockerfile.replace(/download-\w+/, "download-0123"));
  expect((await plan()).tasks).toHaveLength(1);
  await doAll();
  expect(await readFile(join(dir, "asked"), "utf8")).toMatch(/^image rm /m);
});

test("a pull that fails although forced says why", async () => {
  await writeFile(join(dir, "offline"), "");
  await expect(doAll()).rejects.toThrow(/docker pull node:24[^]*no such host/);
});

test("an image without a recipe is refused before anything is asked", async () => {
  await expect(images(["nonesuch"], undefined, { yes: false }, silent)).rejects.toThrow(
    "there is no image nonesuch: choose from base-haproxy",
  );
  await expect(readFile(join(dir, "asked"))).rejects.toThrow();
});

test("a recipe of another folder is asked for by that folder alone, as no set-up makes it", async () => {
  const folder = join(root, "test/images");
  const plan = (from?: string) =>
    images(["mlflow-2"], "download", { yes: false }, silent, from).catch(messageOf);
  // There it is known, and what keeps it from being pulled is that nobody publishes it.
  expect(await plan(folder)).toContain("mlflow-2: no published image serves");
  expect(await plan()).toContain("there is no image mlflow-2");
});
