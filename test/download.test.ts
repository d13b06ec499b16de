// Pulumi by download: a proxy on loopback plays upstream's hosts and serves what this clone has, in
// upstream's layout. The launcher that fetches the CLI and the CLI that fetches the plugins are real.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { arch, tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { filesBelow } from "../toolchain/cache.mjs";
import { root } from "../toolchain/clone.mjs";
import { cacheDir, projectNode, pulumiBin } from "../toolchain/paths.mjs";
import { which } from "../toolchain/process.mjs";
import { ensureImages } from "../toolchain/steps/images.mjs";
import { versions } from "../toolchain/versions.mjs";
import { type Clone, freshClone, onFreePorts } from "./clone.ts";
import { pluginFile } from "./plugin-build.ts";
import { freePort } from "./port.ts";
import { privateCertificate } from "./support/tls-proxy.ts";
import { type Page, type UpstreamHosts, upstreamHosts } from "./support/upstream-hosts.ts";

const cliTarball = `get.pulumi.com/releases/sdk/pulumi-v${versions.pulumi}-linux-${arch()}.tar.gz`;
const goArch = arch() === "x64" ? "amd64" : arch();
const plugins = Object.entries(versions.plugins) as [keyof typeof versions.plugins, string][];
const pluginTarball = (name: string, version: string) =>
  `github.com/pulumi/pulumi-${name}/releases/download/v${version}/pulumi-resource-${name}-v${version}-linux-${goArch}.tar.gz`;

/** Does what upstream's does with the arguments that its npm launcher gives. */
const installer = `#!/bin/sh
set -eu
while [ $# -gt 0 ]; do
  case $1 in
    --install-root) root=$2; shift ;;
    --version) version=$2; shift ;;
  esac
  shift
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
'${projectNode}' -e '
  const [url, file] = process.argv.slice(1);
  fetch(url).then(async (reply) => {
    if (!reply.ok) throw new Error(url + " answers " + reply.status);
    require("fs").writeFileSync(file, Buffer.from(await reply.arrayBuffer()));
  }).catch((error) => { console.error(String(error)); process.exit(1); });
' "https://get.pulumi.com/releases/sdk/pulumi-v$version-linux-${arch()}.tar.gz" "$folder/tarball"
tar -xzf "$folder/tarball" -C "$folder"
mkdir -p "$root/bin"
cp "$folder"/pulumi/* "$root/bin/"
`;

let dir: string;
let hosts: UpstreamHosts;
let env: NodeJS.ProcessEnv;
const clones: Clone[] = [];

/** A tarball of files, in a folder of it or at its top. */
function tarball(files: string[], folder: string): string {
  const from = mkdtempSync(join(dir, "tarball-"));
  mkdirSync(join(from, folder), { recursive: true });
  for (const file of files) cpSync(file, join(from, folder, file.split("/").at(-1) ?? file));
  const to = `${from}.tar.gz`;
  // Quickly rather than well: it goes no further than loopback.
  execFileSync("tar", ["-I", "gzip -1", "-cf", to, "-C", from, folder === "" ? "." : folder]);
  rmSync(from, { recursive: true });
  return to;
}

/** A clone whose set-up is left to make, with the npm packages of this one. */
function bareClone(name: string): Clone {
  const clone = freshClone(name, { bare: true });
  clones.push(clone);
  symlinkSync(join(root, "node_modules"), join(clone.dir, "node_modules"));
  symlinkSync(
    join(root, "toolchain", "upstream", "node_modules"),
    join(clone.dir, "toolchain", "upstream", "node_modules"),
  );
  return clone;
}

/** For a forced download: base images would come from Docker Hub then, which nobody plays here. */
function withoutImages(clone: Clone): Clone {
  for (const name of ["base-node", "base-haproxy"]) {
    const recipe = join(clone.dir, "toolchain", "images", `${name}.mjs`);
    const text = readFileSync(recipe, "utf8");
    expect(text).toContain("byDefault: true");
    writeFileSync(recipe, text.replace("byDefault: true", "byDefault: false"));
  }
  return clone;
}

const setup = (clone: Clone, more: NodeJS.ProcessEnv = {}) =>
  clone.run(process.execPath, ["toolchain/setup.mjs", "--yes"], { ...env, ...more });

const forced = { TOOLCHAIN_SOURCE: "download" };

/** A cache with nothing in it. */
const newCache = () => ({ XDG_CACHE_HOME: mkdtempSync(join(dir, "cache-")) });

/** What of Pulumi a clone has; not what a run of it has left there. */
const installed = async (clone: Clone) =>
  (await filesBelow(join(clone.dir, ".state", "pulumi"))).filter(
    (file) => /^(versions|plugins)\//.test(file) && !file.endsWith(".lock"),
  );

const wholeLayout = [
  ...plugins.map(
    ([name, version]) => `plugins/resource-${name}-v${version}/pulumi-resource-${name}`,
  ),
  `versions/${versions.pulumi}/bin/pulumi`,
  `versions/${versions.pulumi}/bin/pulumi-language-nodejs`,
].sort();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "download-"));
  await ensureImages(["base-mlflow"], { consent: { yes: true } }); // its openssl makes the certificate
  const certificate = await privateCertificate("get.pulumi.com", "github.com", "api.github.com");
  const pages: Record<string, Page> = {
    "get.pulumi.com/install.sh": { text: installer },
    "github.com/pulumi": { text: "" },
    "api.github.com/": { text: "" },
    [cliTarball]: {
      file: tarball(
        [join(pulumiBin, "pulumi"), join(pulumiBin, "pulumi-language-nodejs")],
        "pulumi",
      ),
    },
  };
  for (const [name, version] of plugins)
    pages[pluginTarball(name, version)] = { file: tarball([pluginFile(name)], "") };
  hosts = await upstreamHosts(pages, certificate);

  // Everybody whom this machine trusts, and the hosts played here.
  const trusted = [
    process.env["NODE_EXTRA_CA_CERTS"],
    process.env["SSL_CERT_FILE"] ?? "/etc/ssl/certs/ca-certificates.crt",
  ].flatMap((file) => (file && existsSync(file) ? [readFileSync(file, "utf8")] : []));
  const bundle = join(dir, "trusted.pem");
  writeFileSync(bundle, [...new Set(trusted), certificate.ca].join("\n"));
  // Go's own cache is found by XDG_CACHE_HOME too; what is compiled there stays of use.
  const go = which("go");
  const GOCACHE = go && execFileSync(go, ["env", "GOCACHE"], { encoding: "utf8" }).trim();
  env = {
    CI: "",
    TOOLCHAIN_SOURCE: "",
    GOCACHE,
    HTTPS_PROXY: hosts.proxy,
    https_proxy: hosts.proxy,
    NO_PROXY: "",
    no_proxy: "",
    NODE_EXTRA_CA_CERTS: bundle,
    SSL_CERT_FILE: bundle,
  };
  const upstream = join(root, "toolchain", "upstream");
  execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: upstream, stdio: "ignore" });
});

beforeEach(() => {
  hosts.asked.length = 0;
  hosts.cut = [];
});

afterAll(async () => {
  for (const clone of clones) clone.remove();
  await hosts.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("TOOLCHAIN_SOURCE=download", () => {
  const cache = () => ({ XDG_CACHE_HOME: join(dir, "shared-cache") });

  test("ends ready with Pulumi in its place, whatever version the caller has in mind, and a fresh stack can be previewed", async () => {
    const clone = withoutImages(bareClone("download"));
    const { code, output } = await setup(clone, { ...cache(), ...forced, PULUMI_VERSION: "3.1.0" });
    expect(output).toMatch(/^ready/m);
    expect(output).toMatch(/^Pulumi CLI .* and plugins +download /m);
    expect(code).toBe(0);
    expect(await installed(clone)).toEqual(wholeLayout);
    const fetched = plugins.map(([name, version]) => pluginTarball(name, version));
    expect(hosts.asked).toEqual(expect.arrayContaining([cliTarball, ...fetched]));

    await onFreePorts(clone);
    const launcher = join(clone.dir, "toolchain", "launcher", "pulumi.mjs");
    const preview = await clone.run(process.execPath, [
      ...[launcher, "preview", "-s", "dev", "--non-interactive"],
    ]);
    expect(preview.code, preview.output).toBe(0);
    expect(preview.output).toMatch(/\+ \d+ to create/);
  });

  test("is had by a second clone from the cache, without the network", async () => {
    const clone = withoutImages(bareClone("download-again"));
    const { code, output } = await setup(clone, { ...cache(), ...forced });
    expect(output).toMatch(/^Pulumi CLI .* and plugins +download .* kept$/m);
    expect(code).toBe(0);
    expect(await installed(clone)).toEqual(wholeLayout);
    expect(hosts.asked).toEqual([]);
  });

  test("says in a sentence which hosts cannot be reached", async () => {
    const clone = withoutImages(bareClone("download-offline"));
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const offline = { HTTPS_PROXY: nobody, https_proxy: nobody };
    const { code, output } = await setup(clone, { ...newCache(), ...forced, ...offline });
    expect(output).toMatch(
      /^setup: .*: get\.pulumi\.com and github\.com cannot be reached from here: leave TOOLCHAIN_SOURCE out to have it built from package registries$/m,
    );
    expect(output).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
  });

  test("says in a sentence that a download broke off, and from where", async () => {
    const clone = withoutImages(bareClone("download-cut"));
    hosts.cut = [cliTarball];
    const { code, output } = await setup(clone, { ...newCache(), ...forced });
    expect(output).toMatch(
      /^setup: .*: the download from get\.pulumi\.com and github\.com broke off \(.+\): leave TOOLCHAIN_SOURCE out to have it built from package registries$/m,
    );
    expect(output).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
    expect(existsSync(join(clone.dir, ".state", "pulumi", "versions"))).toBe(false);
  });
});

// Where there is no Go, nothing can be built instead.
test.runIf(which("go"))(
  "a download that breaks in the middle is made up for by builds",
  async () => {
    const clone = bareClone("download-fallback");
    const cache = newCache();
    // What is built already is taken as it is, all but one: builds have a test of their own.
    for (const name of ["pulumi-cli", "resource-docker", "language-nodejs"]) {
      const made = join(cacheDir(), name);
      const to = join(cache.XDG_CACHE_HOME, "inference-stack", name);
      mkdirSync(dirname(to), { recursive: true });
      if (existsSync(made)) execFileSync("cp", ["-a", made, to]);
    }
    const [name, version] = plugins[0] ?? ["docker", ""];
    hosts.cut = [pluginTarball(name, version)];
    const { code, output } = await setup(clone, cache);
    expect(output).toContain("Pulumi: download from get.pulumi.com and github.com");
    expect(output).toMatch(/^Command plugin .* registries /m);
    expect(output).toMatch(/^ready/m);
    expect(code).toBe(0);
    expect(hosts.asked).toContain(cliTarball);
    expect(await installed(clone)).toEqual(wholeLayout);
  },
);
