// The same on a Swarm, where tasks end on any node and Swarm puts back what ran before.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { baseImages } from "../toolchain/versions.mjs";
import { joinSwarm, swarmRig } from "./swarm-rig.ts";
import { SwarmStack } from "./swarm-stack.ts";

/** Images that are run as the service is, and never are it. */
const image = "inference-stack/test-speaks";
const waits = "inference-stack/test-waits";
let stack: SwarmStack;

const services = () =>
  stack.manager.docker("service", "ls", "--format", "{{.Name}}").split("\n").filter(Boolean);

beforeAll(async () => {
  stack = await SwarmStack.make("doomed", swarmRig(1, [baseImages.node, baseImages.haproxy]), {
    cpus: "0.2",
    memory: "128MB",
    replicas: "2",
  });
  joinSwarm(stack.rig.nodes);
  const context = mkdtempSync(join(tmpdir(), "doomed-"));
  for (const [tag, command] of [
    [image, "echo 'the table of users is missing' >&2; exit 3"],
    [waits, "sleep 1000"],
  ] as const) {
    writeFileSync(
      join(context, "Dockerfile"),
      `FROM ${baseImages.node}\nUSER 10001:10001\nENTRYPOINT ${JSON.stringify(["bash", "-c", command])}\n`,
    );
    stack.manager.docker("build", "-q", "-t", tag, context);
  }
  rmSync(context, { recursive: true });
});

afterAll(async () => {
  await stack.down();
});

test("a new service that cannot start is told of in its own words, and taken away", async () => {
  await stack.configure({ image });
  const { code, output } = await stack.up();
  expect(code).not.toBe(0);
  expect(output).toMatch(/the Swarm service \S+ ended with exit code 3 before it was ready/);
  expect(output).toContain("the table of users is missing");
  expect(output).not.toContain("did not converge");
  expect(services().filter((name) => name.endsWith("-inference"))).toEqual([]);
});

test("an update that Swarm takes back says why, and what served goes on", async () => {
  await stack.configure({});
  const made = await stack.up();
  expect(made.code, made.output).toBe(0);
  const served = stack.part("service");
  await stack.configure({ image });
  const { code, output } = await stack.up();
  expect(code).not.toBe(0);
  expect(output).toContain("Swarm goes back to what ran before");
  expect(output).toContain("the table of users is missing");
  expect(stack.part("service").sort()).toEqual(served.sort());
});

test("an interrupted update ends, and Swarm goes back to what served", async () => {
  const served = stack.part("service");
  await stack.configure({ image: waits });
  const launcher = join(stack.clone.dir, "toolchain/launcher/pulumi.mjs");
  // Sent to the launcher alone, as a program that drives it would.
  const interrupted = await stack.run(
    ...["timeout", "--foreground", "-s", "INT", "45", process.execPath, launcher],
    ...["up", "--yes", "--skip-preview", "--non-interactive", "-s", "swarm"],
  );
  expect(interrupted.output).toContain("cancelling");
  expect(interrupted.output).not.toMatch(/did not converge|timeout while waiting/);
  // What did not get ready may still be stopping.
  expect(stack.part("service")).toEqual(expect.arrayContaining(served));
});
