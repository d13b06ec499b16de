// What the engine has: of a stack, by its identity, and of everybody.
import { execFileSync } from "node:child_process";
import { label } from "../clone.mjs";

/**
 * @typedef {import("./plan.mjs").Kind} Kind
 * @typedef {import("./plan.mjs").Found} Found
 * @typedef {import("./plan.mjs").Present} Present
 */

/**
 * Runs a docker command on the engine that the Docker provider talks to: DOCKER_HOST, else the local
 * socket. The CLI would also follow its own contexts.
 * @param {string[]} args
 */
export function docker(...args) {
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  return execFileSync("docker", ["-H", host, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
  }).trim();
}

/** @param {string[]} args */
const lines = (...args) =>
  docker(...args)
    .split("\n")
    .filter(Boolean);

/** @returns {{ id: string, swarm: { state: string, manager: boolean } }} */
export function engineFacts() {
  const info = JSON.parse(docker("info", "--format", "{{json .}}"));
  const { LocalNodeState = "inactive", ControlAvailable = false } = info.Swarm ?? {};
  return { id: info.ID ?? "", swarm: { state: LocalNodeState, manager: ControlAvailable } };
}

/** How each kind is listed, as lines of an id and a name. @type {Record<Kind, string[]>} */
const listings = {
  container: ["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"],
  network: ["network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"],
  volume: ["volume", "ls", "--format", "{{.Name}} {{.Name}}"],
  image: ["image", "ls", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}"],
  secret: ["secret", "ls", "--format", "{{.ID}} {{.Name}}"],
  service: ["service", "ls", "--format", "{{.ID}} {{.Name}}"],
};

/** @type {readonly Kind[]} only a Swarm's managers know of them */
const ofSwarm = ["service", "secret"];

/**
 * @param {Kind} kind
 * @param {readonly string[]} filters labels
 * @returns {Found[]}
 */
function list(kind, filters) {
  const given = filters.flatMap((filter) => ["--filter", `label=${filter}`]);
  const found = lines(...listings[kind], ...given).map((line) => {
    const [id = "", name = id] = line.split(" ");
    return { kind, id, name };
  });
  // Listed by a part of their ids, of which the state has the whole.
  if (kind !== "service" || found.length === 0) return found;
  const ids = found.map(({ id }) => id);
  return lines("service", "inspect", "--format", "{{.ID}} {{.Spec.Name}}", ...ids).map((line) => {
    const [id = "", name = id] = line.split(" ");
    return { kind, id, name };
  });
}

/**
 * What of a stack the program declared, and nothing that was made for it by others: the tasks of its
 * services, volumes with data.
 * @param {string} identity
 * @param {boolean} manager whether the engine manages a Swarm
 * @returns {Found[]}
 */
export function declaredOf(identity, manager) {
  const mine = [`${label.clone}=${identity}`, label.declared];
  /** @type {readonly Kind[]} */
  const everywhere = ["container", "network"];
  return [
    ...everywhere.flatMap((kind) => list(kind, mine)),
    ...list("volume", [...mine, label.files]),
    ...(manager ? ofSwarm.flatMap((kind) => list(kind, mine)) : []),
  ];
}

/** @param {boolean} manager whether the engine manages a Swarm @returns {Present} */
export function presentOn(manager) {
  const ids = (/** @type {Kind} */ kind) =>
    ofSwarm.includes(kind) && !manager
      ? undefined
      : new Set(list(kind, []).map((found) => found.id));
  return {
    container: ids("container"),
    network: ids("network"),
    volume: ids("volume"),
    image: ids("image"),
    service: ids("service"),
    secret: ids("secret"),
  };
}
