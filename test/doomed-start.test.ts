// What an update starts and what never gets ready: told of in its own words, and taken away.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { identityOf, type State } from "../toolchain/launcher/state.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { type Clone, docker, dockerLines, freshClone, onFreePorts } from "./clone.ts";
import { until } from "./loadtest/processes.ts";

/** Images that are run as the service is, and never are it: what each does instead. */
const images = {
  speaks: "echo 'the table of users is missing' >&2; exit 3",
  starves: "exec node -e 'const a = []; for (;;) a.push(Buffer.alloc(1e6, 1))'",
  waits: "sleep 1000",
};
const tag = (name: keyof typeof images) => `inference-stack/test-${name}`;

let clone: Clone;
let apiUrl: string;

const set = (key: string, value: string) =>
  clone.pulumi("config", "set", key, "-s", "dev", "--", value);
const up = () => clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
/** Containers of the service, those too that do not run. */
const replicas = () => {
  const file = join(clone.dir, ".state/backend/.pulumi/stacks/inference-stack/dev.json");
  const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as {
    checkpoint: { latest?: { resources?: State } };
  };
  return dockerLines(
    ...["ps", "-aq", "--no-trunc", "--filter", "label=inference-stack.part=service"],
    ...[
      "--filter",
      `label=inference-stack.clone=${identityOf(checkpoint.latest?.resources) ?? ""}`,
    ],
  );
};
const predict = async () => {
  const body = JSON.stringify({
    sepal_length: 5.1,
    sepal_width: 3.5,
    petal_length: 1.4,
    petal_width: 0.2,
  });
  const headers = { "content-type": "application/json" };
  return (await fetch(`${apiUrl}/predict`, { method: "POST", headers, body })).status;
};

beforeAll(async () => {
  const context = mkdtempSync(join(tmpdir(), "doomed-"));
  for (const [name, command] of Object.entries(images)) {
    writeFileSync(
      join(context, "Dockerfile"),
      `FROM ${baseImages.node}\nUSER 10001:10001\nENTRYPOINT ${JSON.stringify(["bash", "-c", command])}\n`,
    );
    docker("build", "-q", "-t", tag(name as keyof typeof images), context);
  }
  rmSync(context, { recursive: true });
  clone = freshClone("doomed");
  apiUrl = await onFreePorts(clone);
  expect((await clone.run("npm", ["run", "setup", "--", "--yes"])).code).toBe(0);
});

afterAll(() => {
  clone.remove();
  docker("rmi", "-f", ...Object.keys(images).map((name) => tag(name as keyof typeof images)));
});

test("an update tells the last words of what ends, and takes it away, long before it waits no more", async () => {
  await set("image", tag("speaks"));
  const { code, output } = await up();
  expect(code).not.toBe(0);
  expect(output).toMatch(/the service's container \S+ ended with exit code 3 before it was ready/);
  expect(output).toContain("the table of users is missing");
  // What the provider says when it has waited for all its time.
  expect(output).not.toContain("failed to be in healthy state");
  expect(replicas()).toEqual([]);
});

test("memory that does not do is named with how much it was", async () => {
  await set("image", tag("starves"));
  const { code, output } = await up();
  expect(code).not.toBe(0);
  expect(output).toContain("ran out of memory before it was ready: it had 256MB");
  expect(output).toContain("npx pulumi config set memory 512MB -s dev");
  expect(replicas()).toEqual([]);
});

test("after it the next update needs nothing but what was wrong, put right", async () => {
  await clone.pulumi("config", "rm", "image", "-s", "dev");
  expect(await up()).toMatchObject({ code: 0 });
  expect(await predict()).toBe(200);
});

test("Ctrl-C ends an update that waits, and what served goes on", async () => {
  const served = replicas();
  await set("image", tag("waits"));
  // A terminal of its own: Ctrl-C comes from there, to all that runs in it.
  const command = `${join(clone.dir, "node_modules/.bin/pulumi")} up --yes --skip-preview -s dev`;
  const terminal = spawn("script", ["-qec", command, "/dev/null"], {
    cwd: clone.dir,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  terminal.stdout.on("data", (text: Buffer) => (said += text.toString()));
  const ended = once(terminal, "close");
  await until(() => Promise.resolve(replicas().length > served.length), 120);
  terminal.stdin.write("\x03");
  await ended;
  expect(said).toContain("cancelling");
  expect(said).not.toContain("failed to be in healthy state");
  expect(replicas()).toEqual(served);
  expect(await predict()).toBe(200);

  await clone.pulumi("config", "rm", "image", "-s", "dev");
  expect(await up()).toMatchObject({ code: 0 });
  expect(await predict()).toBe(200);
});
