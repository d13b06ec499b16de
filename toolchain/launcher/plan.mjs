// What is to be done about a stack whose state and engine tell different stories: after a `kill -9`
// the engine has what no state records, after somebody's clean-up the state records what is gone.
// Thinking only: who carries it out stands in recover.mjs.

/**
 * @typedef {import("./state.mjs").State} State
 * @typedef {import("./state.mjs").Resource} Resource
 *
 * @typedef {"container" | "service" | "secret" | "network" | "volume" | "image"} Kind
 *
 * @typedef {object} Found something on the engine that carries a stack's identity
 * @property {Kind} kind
 * @property {string} id
 * @property {string} name
 *
 * @typedef {Readonly<Record<Kind, ReadonlySet<string> | undefined>>} Present ids of all that the engine has,
 *   anybody's; undefined where it cannot say, as services where it is in no Swarm
 */

/** What a resource of the program is on the engine. @type {Readonly<Record<string, Kind>>} */
const kinds = {
  "docker:index/container:Container": "container",
  "docker:index/service:Service": "service",
  "docker:index/secret:Secret": "secret",
  "docker:index/network:Network": "network",
  "docker:index/volume:Volume": "volume",
  "docker:index/remoteImage:RemoteImage": "image",
};

/** Dependents first. @type {readonly Kind[]} */
const order = ["service", "container", "secret", "network", "volume"];

/** @param {Resource} resource */
const idOf = ({ type, id, outputs }) =>
  String((kinds[type] === "image" ? outputs?.["imageId"] : id) ?? "");

/**
 * What the engine has of a stack that its state does not record: left by an update that was killed.
 * Nothing where that cannot be told for sure: while another update lives, or without a state that
 * knows the stack's identity.
 * @param {object} facts
 * @param {State | undefined} facts.state
 * @param {string | undefined} facts.identity as the state has it
 * @param {number} facts.otherUpdates updates of this stack that go on beside the one that asks
 * @param {readonly Found[]} facts.found
 * @returns {Found[]} in the order in which they can be removed
 */
export function unrecorded({ state, identity, otherUpdates, found }) {
  if (state === undefined || identity === undefined || otherUpdates > 0) return [];
  const recorded = new Set(state.map(idOf));
  return found
    .filter(({ kind, id }) => order.includes(kind) && !recorded.has(id))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

/**
 * What the state records and the engine has no more. What is only waiting to be deleted is not missed.
 * @param {State | undefined} state
 * @param {Present} present
 * @returns {Found[]}
 */
export function lost(state, present) {
  return (state ?? []).flatMap((resource) => {
    const kind = kinds[resource.type];
    const id = idOf(resource);
    if (kind === undefined || id === "" || "delete" in resource) return [];
    if (present[kind]?.has(id)) return [];
    return [{ kind, id, name: resource.urn.split("::").at(-1) ?? id }];
  });
}

/** "2 containers and a network". @param {readonly { kind: Kind }[]} things */
export function inWords(things) {
  const counts = new Map();
  for (const { kind } of things) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const words = [...counts].map(([kind, n]) =>
    n === 1 ? `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}` : `${n} ${kind}s`,
  );
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
