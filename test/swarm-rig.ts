// Several Docker engines on this one machine, each in a network namespace of its own, and a registry
// that they all reach: a Swarm whose nodes can be cut off and killed.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stateDir } from "../toolchain/clone.mjs";
import { ensureImages } from "../toolchain/steps/images.mjs";
import { needProgram } from "./support/programs.ts";

const sh = (command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  }).trim();

const quietly = (command: string, ...args: string[]): void => {
  try {
    sh(command, ...args);
  } catch {
    // It was not there: this is used to take down.
  }
};

async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (holds()) return;
    await sleep(200);
  }
  throw new Error(`${what} did not happen within ${seconds} s`);
}

/** One engine. */
export interface Node {
  readonly name: string;
  readonly address: string;
  /** For DOCKER_HOST. */
  readonly host: string;
  docker: (...args: string[]) => string;
  /** The command line that runs something inside its network. */
  inside: (...command: string[]) => [string, ...string[]];
  /** Cuts it off the network at once, then ends every process of it: nobody is told. */
  kill: () => void;
}

export interface Registry {
  /** host:port, plain HTTP. */
  readonly address: string;
  readonly user: string;
  readonly password: string;
}

export interface Rig {
  readonly nodes: readonly [Node, ...Node[]];
  readonly registry: Registry;
  down: () => Promise<void>;
}

const credentials = {
  user: "rig",
  password: "swarm-test",
  bcrypt: "$2b$04$15z7bSjWLpZnhLyccmxN6.eLwCHLVGKf4YzxdbdVipNAjbLsunQXe",
};

/** Debian's docker-registry, unpacked beside the other things that tests keep. */
function registryProgram(): string {
  const dir = join(stateDir, "rig");
  const program = join(dir, "usr", "bin", "docker-registry");
  if (existsSync(program)) return program;
  mkdirSync(dir, { recursive: true });
  const download = () => {
    execFileSync("apt-get", ["download", "docker-registry"], { cwd: dir, stdio: "ignore" });
  };
  try {
    download();
  } catch {
    // A machine that has installed nothing yet has no list of packages.
    execFileSync("apt-get", ["update"], { stdio: "ignore" });
    download();
  }
  const archive = readdirSync(dir).find((file) => file.endsWith(".deb")) ?? "";
  sh("dpkg", "-x", join(dir, archive), dir);
  return program;
}

async function stopped(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => {
    child.once("exit", resolve);
  });
  child.kill(signal);
  const ended = await Promise.race([gone.then(() => true), sleep(20_000).then(() => false)]);
  if (!ended) {
    child.kill("SIGKILL");
    await gone;
  }
}

/** Processes started by this one, and by those. */
function descendants(pid: number): number[] {
  let children: number[];
  try {
    children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
        .split(" ")
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    return [];
  }
  return [...children, ...children.flatMap(descendants)];
}

/**
 * @param count engines; none of them is in a Swarm yet
 * @param images tags of the machine's own engine that the first node is given
 */
export async function swarmRig(count: number, images: readonly string[]): Promise<Rig> {
  for (const program of ["ip", "curl"] as const) await needProgram(program);
  // Whichever test is run first, or alone.
  const recipes = images.map((image) => /base-\w+/.exec(image)?.[0] ?? image);
  await ensureImages(recipes, { consent: { yes: true } });
  const dir = mkdtempSync(join(tmpdir(), "rig-"));
  const id = dir.slice(-6).replaceAll(/[^a-zA-Z0-9]/g, "x");
  const net = `10.${randomInt(64, 192)}.${randomInt(0, 256)}`;
  // The bridge has a namespace too: the machine's own firewall, which Docker sets up, sees nothing of it.
  const hub = `rig${id}hub`;
  const processes: { child: ChildProcess; kill: NodeJS.Signals }[] = [];

  const start = (name: string, command: string, args: string[]): ChildProcess => {
    // Written by the program itself: through this process it would stand still while a test waits for it.
    const log = openSync(join(dir, `${name}.log`), "w");
    const child = spawn(command, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    processes.push({ child, kill: "SIGTERM" });
    return child;
  };

  const ip = (netns: string, ...args: string[]) => sh("ip", "-n", netns, ...args);
  sh("ip", "netns", "add", hub);
  ip(hub, "link", "set", "lo", "up");
  ip(hub, "link", "add", "hub", "type", "bridge");
  ip(hub, "addr", "add", `${net}.254/24`, "dev", "hub");
  ip(hub, "link", "set", "hub", "up");

  const startRegistry = (): Registry => {
    const address = `${net}.254:5000`;
    writeFileSync(join(dir, "htpasswd"), `${credentials.user}:${credentials.bcrypt}\n`);
    writeFileSync(
      join(dir, "registry.yml"),
      `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: ${dir}/registry}, delete: {enabled: true}}
http: {addr: "${address}", secret: "${id}"}
auth: {htpasswd: {realm: rig, path: ${dir}/htpasswd}}
`,
    );
    const program = [registryProgram(), "serve", join(dir, "registry.yml")];
    start("registry", "nsenter", [`--net=/var/run/netns/${hub}`, ...program]);
    return { address, user: credentials.user, password: credentials.password };
  };

  const startNode = (i: number): Node => {
    const name = `rig${id}n${i}`;
    const address = `${net}.${i + 1}`;
    sh("ip", "netns", "add", name);
    ip(hub, "link", "add", `port${i}`, "type", "veth", "peer", "name", "hub", "netns", name);
    ip(hub, "link", "set", `port${i}`, "master", "hub", "up");
    ip(name, "link", "set", "lo", "up");
    ip(name, "addr", "add", `${address}/24`, "dev", "hub");
    ip(name, "link", "set", "hub", "up");
    const home = join(dir, name);
    mkdirSync(home);
    const host = `unix://${home}/docker.sock`;
    const engine = [
      ...["dockerd", "-H", host, "--data-root", `${home}/data`, "--exec-root", `${home}/run`],
      ...["--pidfile", `${home}/pid`, "--insecure-registry", `${net}.254:5000`],
    ].join(" ");
    // Entered with nsenter: `ip netns exec` would hide the control groups.
    const child = start(name, "nsenter", [
      `--net=/var/run/netns/${name}`,
      ...["unshare", "-m", "-u", "sh", "-c"],
      `hostname node${i}; mount --make-rprivate /; mount -t tmpfs tmpfs /run/containerd; ` +
        `mount -t tmpfs tmpfs /run/docker; exec ${engine}`,
    ]);
    return {
      name: `node${i}`,
      address,
      host,
      docker: (...args) => sh("docker", "-H", host, ...args),
      inside: (...command) => ["nsenter", `--net=/var/run/netns/${name}`, ...command],
      kill: () => {
        ip(hub, "link", "set", `port${i}`, "down");
        const pid = child.pid ?? 0;
        // Containers are children of their shims, which belong to nobody once they are started.
        const socket = `${home}/run/containerd`;
        const shims = readdirSync("/proc").flatMap((entry) => {
          if (!/^\d+$/.test(entry)) return [];
          try {
            return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(socket)
              ? [Number(entry)]
              : [];
          } catch {
            return [];
          }
        });
        for (const each of [pid, ...shims, ...[pid, ...shims].flatMap(descendants)]) {
          try {
            process.kill(each, "SIGKILL");
          } catch {
            // It went with another.
          }
        }
      },
    };
  };

  const down = async () => {
    for (const { child, kill } of processes) await stopped(child, kill);
    for (let i = 0; i < count; i++) quietly("ip", "netns", "del", `rig${id}n${i}`);
    quietly("ip", "netns", "del", hub);
    rmSync(dir, { recursive: true, force: true });
  };

  try {
    const registry = startRegistry();
    const nodes = Array.from({ length: count }, (_, i) => startNode(i));
    const [first, ...others] = nodes;
    if (first === undefined) throw new Error("a rig has at least one node");
    for (const { name, docker } of nodes) {
      await until(`the start of ${name}`, 60, () => {
        try {
          return docker("info", "-f", "{{.ID}}") !== "";
        } catch {
          return false;
        }
      });
    }
    const saved = join(dir, "images.tar");
    sh("docker", "save", "-o", saved, ...images);
    first.docker("load", "-i", saved);
    rmSync(saved);
    return { nodes: [first, ...others], registry, down };
  } catch (error) {
    await down();
    throw error;
  }
}

/** Makes one Swarm of a rig's nodes; the first manages it. */
export function joinSwarm([first, ...others]: Rig["nodes"]): void {
  first.docker("swarm", "init", "--advertise-addr", first.address);
  const token = first.docker("swarm", "join-token", "-q", "worker");
  for (const { docker, address } of others) {
    docker("swarm", "join", "--token", token, "--advertise-addr", address, `${first.address}:2377`);
  }
}
