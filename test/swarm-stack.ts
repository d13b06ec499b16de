// The swarm stack of a fresh clone on the engines of a rig, driven as a person would drive it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { parse, stringify } from "yaml";
import { root } from "../toolchain/clone.mjs";
import { bringUp, type Clone, freshClone, type Result } from "./clone.ts";
import { freePort } from "./port.ts";
import type { Seen } from "./open-loop.ts";
import type { Node, Rig } from "./swarm-rig.ts";

export const lines = (text: string): string[] => text.split("\n").filter(Boolean);

/** Kept as they were encrypted: no test changes one. */
const secretKeys = new Set(["registryPassword", "s3AccessKey", "s3SecretKey"]);
const named = (key: string) => `inference-stack:${key}`;

/** Where the launcher and the stack's own commands are run: in the first node's network. */
export class SwarmStack {
  readonly clone: Clone;
  readonly rig: Rig;
  readonly manager: Node;
  /** What every set-up of the stack shares. */
  readonly #base: Readonly<Record<string, string>>;
  /** What is up now; undefined where that is not known. */
  #current: string | undefined;
  /** Nothing of the stack has been made, or nothing is left of it. */
  #fresh = true;

  private constructor(clone: Clone, rig: Rig, base: Readonly<Record<string, string>>) {
    this.clone = clone;
    this.rig = rig;
    this.manager = rig.nodes[0];
    this.#base = base;
  }

  /** @param rig made meanwhile */
  static async make(
    name: string,
    rig: Promise<Rig>,
    base: Readonly<Record<string, string>>,
  ): Promise<SwarmStack> {
    const clone = freshClone(name, { bare: true });
    symlinkSync(join(root, "node_modules"), join(clone.dir, "node_modules"));
    await clone.run(process.execPath, [join("toolchain", "setup.mjs"), "--yes"]);
    const [apiPort, loadtestPort] = [String(await freePort()), String(await freePort())];
    return new SwarmStack(clone, await rig, { apiPort, loadtestPort, ...base });
  }

  /** Runs a program of this machine where the first node's addresses mean what they mean to it. */
  run(...command: string[]): Promise<Result> {
    const [program, ...args] = this.manager.inside(...command);
    return this.clone.run(program, args, {
      DOCKER_HOST: this.manager.host,
      // The registry is an address of the rig, which no proxy of this machine knows.
      NO_PROXY: "*",
      no_proxy: "*",
    });
  }

  pulumi(...args: string[]): Promise<Result> {
    return this.pulumiOf("swarm", ...args);
  }

  /** The same of another stack of the clone. */
  pulumiOf(name: string, ...args: string[]): Promise<Result> {
    const launcher = join(this.clone.dir, "toolchain", "launcher", "pulumi.mjs");
    // What is measured meanwhile has the machine first: nobody's Pulumi runs on a node.
    const polite = ["nice", "-n", "10", process.execPath, launcher];
    return this.run(...polite, ...args, "--non-interactive", "-s", name);
  }

  /** Makes these the stack's settings, and no others. */
  async configure(settings: Readonly<Record<string, string>>): Promise<void> {
    const wanted = Object.entries({ ...this.#base, ...settings });
    const file = join(this.clone.dir, "Pulumi.swarm.yaml");
    const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    const next: Record<string, unknown> = { [named("platform")]: "swarm" };
    const secrets: string[] = [];
    for (const [key, value] of wanted) {
      const known = secretKeys.has(key) ? config[named(key)] : value;
      if (known === undefined) secrets.push("--secret", `${key}=${value}`);
      else next[named(key)] = known;
    }
    writeFileSync(file, stringify({ config: next }));
    if (secrets.length === 0) return;
    const { code, output } = await this.pulumi("config", "set-all", ...secrets);
    expect(code, output).toBe(0);
  }

  async up(): Promise<Result> {
    this.#current = undefined;
    if (!this.#fresh) return this.pulumi("up", "--yes", "--skip-preview");
    const result = await bringUp(this);
    this.#fresh = result.code !== 0;
    return result;
  }

  /** Brings the stack up with these settings; nothing is done where it is. */
  async upWith(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const wanted = JSON.stringify(settings);
    if (this.#current === wanted) return;
    await this.configure(settings);
    const { code, output } = await this.up();
    expect(code, output).toBe(0);
    this.#current = wanted;
  }

  async destroy(): Promise<void> {
    this.#current = undefined;
    const { code, output } = await this.pulumi("destroy", "--yes", "--skip-preview");
    expect(code, output).toBe(0);
    this.#fresh = true;
  }

  /** A request from the first node's network: status and body. */
  http(url: string, body?: unknown): { status: number; text: string } {
    const post = ["-H", "content-type: application/json", "-d", JSON.stringify(body)];
    const [curl, ...args] = this.manager.inside(
      ...["curl", "-s", "--noproxy", "*", "-m", "10", "-w", "\n%{http_code}"],
      ...(body === undefined ? [] : post),
      url,
    );
    const out = execFileSync(curl, args, { encoding: "utf8" });
    const end = out.lastIndexOf("\n");
    return { status: Number(out.slice(end + 1)), text: out.slice(0, end) };
  }

  /** The settings that decide where the stack is reached. */
  port(of: "apiPort" | "loadtestPort"): string {
    return this.#base[of] ?? "";
  }

  async clean(): Promise<void> {
    const preview = await this.pulumi("preview", "--expect-no-changes");
    expect(preview.code, preview.output).toBe(0);
  }

  /** Changes a file of the clone; gives the way back. */
  edit(file: string, change: (text: string) => string): () => void {
    this.#current = undefined;
    const path = join(this.clone.dir, file);
    const before = readFileSync(path, "utf8");
    const after = change(before);
    expect(after).not.toBe(before);
    writeFileSync(path, after);
    return () => {
      this.#current = undefined;
      writeFileSync(path, before);
    };
  }

  #mine(part?: string): string[] {
    const filter = (label: string) => ["--filter", `label=inference-stack.${label}`];
    return [
      ...filter(`clone=${this.clone.identity("swarm") ?? ""}`),
      ...(part === undefined ? [] : filter(`part=${part}`)),
    ];
  }

  /** Ids of what of a part runs on a node. */
  part(name: string, node: Node = this.manager): string[] {
    return lines(node.docker("ps", "-q", ...this.#mine(name)));
  }

  serviceName(part = "service"): string {
    return this.manager.docker("service", "ls", "--format", "{{.Name}}", ...this.#mine(part));
  }

  /** What of a part runs, and on which nodes. */
  tasks(part = "service"): { id: string; node: string }[] {
    const wanted = ["--no-trunc", "--filter", "desired-state=running"];
    const format = ["--format", "{{.ID}} {{.Node}} {{.CurrentState}}"];
    return lines(
      this.manager.docker("service", "ps", this.serviceName(part), ...wanted, ...format),
    ).flatMap((line) => {
      const [id = "", node = "", state] = line.split(" ");
      return state === "Running" ? [{ id, node }] : [];
    });
  }

  /** The different images that running tasks of the service have. */
  taskImages(): string[] {
    const wanted = ["--no-trunc", "--filter", "desired-state=running", "--format", "{{.Image}}"];
    return [...new Set(lines(this.manager.docker("service", "ps", this.serviceName(), ...wanted)))];
  }

  /** Tasks that Swarm remembers on any node, of whatever service. */
  rememberedTasks(): string[] {
    const nodes = lines(this.manager.docker("node", "ls", "-q"));
    return lines(this.manager.docker("node", "ps", "--format", "{{.Name}}", ...nodes));
  }

  /** Everything on a node that bears this clone's label. */
  readonly leftovers = (node: Node): string[] => {
    const manages = node.docker("info", "-f", "{{.Swarm.ControlAvailable}}") === "true";
    const listings = [
      ...(manages
        ? ["service", "secret", "config"].map((kind) => [
            kind,
            "ls",
            "--format",
            `${kind} {{.Name}}`,
          ])
        : []),
      ["ps", "-a", "--format", "container {{.Names}}"],
      ["network", "ls", "--format", "network {{.Name}}"],
      ["volume", "ls", "--format", "volume {{.Name}}"],
      // What a worker pulled is its own engine's to drop.
      ...(node === this.manager ? [["images", "-a", "--format", "image {{.ID}}"]] : []),
    ];
    return listings.flatMap((listing) => lines(node.docker(...listing, ...this.#mine())));
  };

  requestsByReplica(): Map<string, number> {
    const [gateway = ""] = this.part("gateway");
    const csv = this.manager.docker("exec", gateway, "/gateway/stats");
    const [header = "", ...lines] = csv.replace(/^# /, "").split("\n");
    const rows = lines.map((line) => {
      const cells = line.split(",");
      return (column: string): string => cells[header.split(",").indexOf(column)] ?? "";
    });
    const replicas = rows.filter((cell) => cell("pxname") === "replicas" && cell("addr") !== "");
    return new Map(replicas.map((cell) => [cell("addr"), Number(cell("stot"))]));
  }

  /** Where the gateway answers on the manager's own network, without the engine's port proxy. */
  gatewayUrl(): string {
    const [gateway = ""] = this.part("gateway");
    const addresses = this.manager.docker("exec", gateway, "bash", "-c", "cat /proc/net/fib_trie");
    const [address] = /172\.\d+\.\d+\.(?!0\b|1\b|255\b)\d+/.exec(addresses) ?? [];
    return `http://${address ?? ""}:8080`;
  }

  /** Requests at a constant rate until they are stopped. */
  load(
    perSecond: number,
    connections = Infinity,
    url = this.gatewayUrl(),
  ): { stop(): Promise<Seen> } {
    const program = join(root, "test", "open-loop.ts");
    const [command, ...args] = this.manager.inside(process.execPath, program);
    const child: ChildProcess = spawn(
      command,
      [
        ...[...args, "--url", url, "--rate", String(perSecond)],
        ...["--connections", String(connections)],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    // It may have ended by itself, of what it says on standard error.
    const closed = new Promise((resolve) => child.once("close", resolve));
    return {
      async stop() {
        child.kill("SIGTERM");
        await closed;
        return JSON.parse(output) as Seen;
      },
    };
  }

  /** What a few seconds of a rate see where nothing happens. */
  async atRest(perSecond: number, seconds: number, connections?: number): Promise<Seen> {
    const load = this.load(perSecond, connections);
    await sleep(seconds * 1000);
    return load.stop();
  }

  async down(): Promise<void> {
    await this.rig.down();
    rmSync(this.clone.dir, { recursive: true, force: true });
  }
}
