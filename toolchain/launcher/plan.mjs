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
 * Those of a stack's containers that its state has and does not only wait to delete: nothing else of it
 * may be started again.
 * @param {State | undefined} state
 * @param {readonly string[]} ids of containers
 */
export function kept(state, ids) {
  const recorded = new Set((state ?? []).filter((one) => !("delete" in one)).map(idOf));
  return ids.filter((id) => id !== "" && recorded.has(id));
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

/**
 * @typedef {object} Inspection a stack's state beside its engine
 * @property {readonly Found[]} lost what the state records and the engine has no more
 * @property {{ recorded: string, found: string }} [elsewhere] the state is of another engine than the one
 *   that answers, so that nothing else can be said
 * @property {"made" | "found"} [leftSwarm] the engine is in no Swarm any more, which the stack had made, or
 *   somebody else
 *
 * @typedef {object} Advice
 * @property {string} [refusal] a sentence: nothing is run
 * @property {string} [note] a sentence to be said first
 * @property {boolean} refresh the state is to be read anew from the engine first
 * @property {boolean} rejoin the Swarm is to be made again before that
 */

/** Commands that read the engine anew or change what is on it. */
const changing = ["up", "refresh", "destroy"];

/**
 * What is to be done before the CLI runs. Nothing where state and engine tell the same story.
 * @param {object} facts
 * @param {string} facts.stack
 * @param {string} facts.verb the CLI's
 * @param {string | undefined} facts.allowed the engine that the settings say the stack may go over to
 * @param {Inspection} facts.inspection
 * @returns {Advice}
 */
export function advice({ stack, verb, allowed, inspection: { lost, elsewhere, leftSwarm } }) {
  const nothing = { refresh: false, rejoin: false };
  if (elsewhere && allowed !== elsewhere.found) {
    const refusal =
      `the stack ${stack} is on the engine ${elsewhere.recorded}, but the one that answers here is ` +
      `${elsewhere.found}: what it has would be left behind there. Set DOCKER_HOST to the address of its ` +
      `engine. If that is gone for good: \`npx pulumi config set engine ${elsewhere.found} -s ${stack} && ` +
      `npx pulumi up -s ${stack}\``;
    return { ...nothing, refusal };
  }
  if (elsewhere) return { ...nothing, refresh: verb !== "refresh" };
  if (lost.length === 0) return nothing;
  if (leftSwarm === "found" && changing.includes(verb)) {
    const refusal =
      `the engine is in no Swarm any more, and the stack ${stack} did not make the one it is on. Have the ` +
      "engine join it again (`docker swarm join …`, as `docker swarm join-token manager` says on another " +
      "manager), or make one with `docker swarm init`, then run this again";
    return { ...nothing, refusal };
  }
  const names = [...new Set(lost.map(({ name }) => name))].join(", ");
  const gone = `${inWords(lost)} of ${stack} ${lost.length === 1 ? "is" : "are"} gone from the engine (${names})`;
  // Without its Swarm an engine cannot be asked for services.
  if (leftSwarm && !changing.includes(verb)) {
    return {
      ...nothing,
      note: `${gone}, with its Swarm; \`npx pulumi up -s ${stack}\` makes all anew`,
    };
  }
  return {
    note: `${gone}: the state is read anew first`,
    refresh: verb !== "refresh",
    rejoin: leftSwarm === "made",
  };
}
