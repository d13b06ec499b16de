// What may happen to a stack that its people did not plan: two of them at once, folders that move, a
// backend that several share, an engine that somebody cleaned up. Nothing of it may cost anybody anything.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../toolchain/clone.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import {
  bringUp,
  type Clone,
  docker,
  dockerLines,
  freshClone,
  identityIn,
  onFreePorts,
  type Result,
} from "./clone.ts";
import { constantTraffic, predict } from "./traffic.ts";

let clone: Clone;
let apiUrl: string;
/** A container of somebody else, with labels and a name like the stack's. */
let neighbour: string;

const flags = ["-s", "dev"];
const succeeds = ({ code, output }: Result) => {
  expect(code, output).toBe(0);
};
/** Its own launcher: what it has installed is this project's, by a link. */
const launch = (of: Clone, args: readonly string[], env: NodeJS.ProcessEnv = {}, dir = of.dir) => {
  const launcher = join(dir, "toolchain", "launcher", "pulumi.mjs");
  return of.run(process.execPath, [launcher, "--non-interactive", ...args], env, dir);
};
const pulumi = (...args: string[]) => launch(clone, [...args, ...flags]);
const up = () => pulumi("up", "--yes", "--skip-preview");
const clean = async () => {
  succeeds(await pulumi("preview", "--expect-no-changes"));
};
const parts = ["service", "gateway", "listener", "loadtest", "worker"];
const running = () => Object.fromEntries(parts.map((part) => [part, clone.containers(part)]));
const mine = () => ["--filter", `label=inference-stack.clone=${clone.id}`];
const declared = () => [...mine(), "--filter", "label=inference-stack.declared"];

/** A clone whose settings name free ports, set up. */
async function ready(name: string): Promise<Clone> {
  const made = freshClone(name, { bare: true });
  symlinkSync(join(root, "node_modules"), join(made.dir, "node_modules"));
  await onFreePorts(made);
  succeeds(await made.run(process.execPath, [join("toolchain", "setup.mjs"), "--yes"]));
  return made;
}

const output = async (name: string) => (await pulumi("stack", "output", name)).stdout.trim();

beforeAll(async () => {
  clone = await ready("harms");
  succeeds(await bringUp({ pulumi }));
  apiUrl = await output("apiUrl");
  // As another tool, or another checkout, would have it: with a label of ours, and with our names.
  neighbour = docker(
    ...["run", "-d", "--label", "inference-stack.stack=dev"],
    ...["--label", "inference-stack.clone=0badc0de", "--label", "inference-stack.declared=true"],
    ...["--name", `inference-0-${clone.id}`, "--entrypoint", "sleep"],
    ...[baseImages.node, "infinity"],
  );
});

afterAll(() => {
  expect(docker("inspect", "-f", "{{.State.Running}}", neighbour)).toBe("true");
  docker("rm", "-f", "-v", neighbour);
  clone.remove();
});

describe("two at once", () => {
  test("an up beside an up, and a refresh beside an up: one waits its turn, and nobody loses anything", async () => {
    const traffic = constantTraffic(apiUrl);
    succeeds(await pulumi("config", "set", "memory", "192MB"));
    const [first, second, refresh] = await Promise.all([
      up(),
      up(),
      pulumi("refresh", "--yes", "--skip-preview"),
    ]);
    // Who came first is open. Those that found the stack locked say so, and have done nothing.
    const all = [first, second, refresh];
    for (const { code, output: said } of all) {
      if (code !== 0) expect(said).toMatch(/currently locked by|conflict/i);
    }
    expect(all.some(({ code }) => code === 0)).toBe(true);
    succeeds(await up());
    await clean();
    expect(await traffic.stop()).toMatchObject({ failures: [] });
    expect(clone.containers("service")).toHaveLength(1);
    expect(dockerLines("ps", "-aq", ...declared())).toHaveLength(parts.length);
  });

  test("a preview takes nothing from under an update", async () => {
    const before = running();
    const [preview] = await Promise.all([pulumi("preview"), up()]);
    succeeds(preview);
    expect(running()).toEqual(before);
  });
});

describe("a folder that moves", () => {
  test("is the same stack, and nothing of it is replaced", async () => {
    const before = running();
    const moved = `${clone.dir}-moved`;
    renameSync(clone.dir, moved);
    try {
      succeeds(await launch(clone, ["preview", "--expect-no-changes", ...flags], {}, moved));
      const status = ["run", "-s", "status", "--", ...flags];
      expect((await clone.run("npm", status, {}, moved)).stdout).toMatch(
        /service\s+inference-0\S*\s+running, healthy/,
      );
    } finally {
      renameSync(moved, clone.dir);
    }
    expect(running()).toEqual(before);
  });

  test("leaves its place to a new clone, which is another stack", async () => {
    const before = running();
    const moved = `${clone.dir}-moved`;
    renameSync(clone.dir, moved);
    try {
      cpSync(moved, clone.dir, {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !path.includes(`${moved}/.state`),
      });
      const { code, output: said } = await clone.run("npm", ["run", "-s", "down"]);
      expect(code, said).toBe(0);
    } finally {
      rmSync(clone.dir, { recursive: true, force: true });
      renameSync(moved, clone.dir);
    }
    expect(running()).toEqual(before);
    expect((await predict(apiUrl)).status).toBe(200);
  });
});

describe("one backend for two clones", () => {
  test("is one stack, whichever of them brings it up, and takes it down", async () => {
    const backend = mkdtempSync(join(tmpdir(), "shared-backend-"));
    const [one, two] = [await ready("shared-one"), await ready("shared-two")];
    const settings = (of: Clone) => join(of.dir, "Pulumi.dev.yaml");
    const env = { PULUMI_BACKEND_URL: `file://${backend}`, PULUMI_CONFIG_PASSPHRASE: "the team's" };
    const shared = (of: Clone, ...args: string[]) => launch(of, [...args, ...flags], env);
    const there = (id: string | undefined) =>
      dockerLines("ps", "-aq", "--filter", `label=inference-stack.clone=${id ?? ""}`);
    try {
      succeeds(await launch(one, ["stack", "init", "dev"], env));
      succeeds(await shared(one, "preview"));
      succeeds(await shared(one, "up", "--yes", "--skip-preview"));
      const id = identityIn(backend);
      const containers = there(id);
      expect(containers).toHaveLength(parts.length);
      // The team commits the stack's settings, with the salt of its secrets.
      cpSync(settings(one), settings(two));
      const committed = readFileSync(settings(two), "utf8");
      expect(committed).toContain("encryptionsalt");
      succeeds(await shared(two, "preview", "--expect-no-changes"));
      // What this clone has in its own, empty backend says nothing of the team's.
      const { code, output: said } = await two.run("npm", ["run", "-s", "down"], env);
      expect(code, said).toBe(1);
      expect(said).toMatch(/PULUMI_BACKEND_URL names another/);
      succeeds(await two.run("npm", ["run", "-s", "down"]));
      expect(there(id)).toEqual(containers);
      succeeds(await shared(two, "destroy", "--yes", "--skip-preview"));
      expect(there(id)).toEqual([]);
      expect(readFileSync(settings(two), "utf8")).toBe(committed);
    } finally {
      await shared(one, "destroy", "--yes", "--skip-preview");
      one.remove();
      two.remove();
      rmSync(backend, { recursive: true, force: true });
    }
  });
});

describe("one up brings back", () => {
  test.each([
    ["stopped", "stop"],
    ["paused", "pause"],
  ])("a container that was %s", async (done, how) => {
    const before = running();
    docker(how, clone.containers("service")[0] ?? "");
    const { code, output: said } = await up();
    expect(code, said).toBe(0);
    expect(said).toContain(`which had been ${done}`);
    expect(running()).toEqual(before);
    expect((await predict(apiUrl)).status).toBe(200);
  });

  test("a container that was taken off its network", async () => {
    const [network = ""] = dockerLines(
      "network",
      "ls",
      "-q",
      ...mine(),
      "--filter",
      "name=traffic",
    );
    docker("network", "disconnect", network, clone.containers("service")[0] ?? "");
    const { code, output: said } = await up();
    expect(code, said).toBe(0);
    expect(said).toContain("which had been taken off the network");
    expect((await predict(apiUrl)).status).toBe(200);
    await clean();
  });

  test("a service with its settings, which were lost with it", async () => {
    const [id = ""] = clone.containers("service");
    const volume = docker(
      ...[
        "inspect",
        "-f",
        `{{range .Mounts}}{{if eq .Destination "/run/inference"}}{{.Name}}{{end}}{{end}}`,
      ],
      id,
    );
    docker("rm", "-f", "-v", id);
    docker("volume", "rm", volume);
    const { code, output: said } = await up();
    expect(code, said).toBe(0);
    expect(said).toMatch(
      /a container and a volume of dev are gone|a volume and a container of dev are gone/,
    );
    expect((await predict(apiUrl)).status).toBe(200);
    await clean();
  });

  test("everything that carries its label, images too, with the names that it had", async () => {
    const model = await (await fetch(`${apiUrl}/model`)).json();
    const ids = dockerLines("ps", "-aq", ...mine());
    docker("rm", "-f", "-v", ...ids);
    docker("volume", "rm", ...dockerLines("volume", "ls", "-q", ...mine()));
    docker("network", "rm", ...dockerLines("network", "ls", "-q", ...mine()));
    docker("rmi", "-f", ...new Set(dockerLines("images", "-q", ...mine())));
    const { code, output: said } = await up();
    expect(said).toMatch(/of dev are gone from the engine/);
    expect(code, said).toBe(0);
    expect(await (await fetch(`${apiUrl}/model`)).json()).toMatchObject({
      name: (model as { name: string }).name,
    });
    await clean();
  });
});

describe("another engine", () => {
  test("than the state's is refused in a sentence, by up, preview, destroy and down, and nothing changes", async () => {
    const before = running();
    const state = join(clone.dir, ".state/backend/.pulumi/stacks/inference-stack/dev.json");
    const text = readFileSync(state, "utf8");
    const id = docker("info", "-f", "{{.ID}}");
    // The state of the same stack, made on another engine.
    writeFileSync(state, text.replaceAll(id, "ANOTHER:ENGINE"));
    const refused = ({ code, output: said }: Result) => {
      expect(code, said).not.toBe(0);
      expect(said).toContain(`the stack dev is on the engine ANOTHER:ENGINE, but the one`);
      expect(said).not.toMatch(/^\s+at .*\.(ts|mjs):/m);
    };
    try {
      refused(await pulumi("preview"));
      refused(await up());
      refused(await pulumi("destroy", "--yes", "--skip-preview"));
      refused(await clone.run("npm", ["run", "-s", "down"]));
    } finally {
      writeFileSync(state, text);
    }
    expect(running()).toEqual(before);
    await clean();
  });
});

test("an own secret is made once, whatever its command comes to say", async () => {
  const file = join(clone.dir, "infra", "random.ts");
  writeFileSync(file, readFileSync(file, "utf8").replace("od -An", "od  -An"));
  const shown = await pulumi("preview", "--diff");
  expect(shown.code, shown.output).toBe(0);
  expect(shown.output).not.toMatch(/loadtest-token|loadtest-secret/);
  execFileSync("git", ["checkout", "-q", "infra/random.ts"], { cwd: clone.dir });
});

test("down removes the data that a destroyed stack kept, and nobody else's", async () => {
  const kept = (label: string) => docker("volume", "create", "--label", label).trim();
  const own = kept(`inference-stack.clone=${clone.id}`);
  const others = kept("inference-stack.clone=00000000");
  try {
    succeeds(await pulumi("destroy", "--yes", "--skip-preview"));
    succeeds(await clone.run("npm", ["run", "-s", "down"]));
    const volumes = dockerLines("volume", "ls", "-q");
    expect(volumes).not.toContain(own);
    expect(volumes).toContain(others);
  } finally {
    docker("volume", "rm", "-f", own, others);
  }
});
