import { describe, expect, test } from "vitest";
import { advice, inWords, kept, lost, unrecorded } from "./plan.mjs";

const urn = (type: string, name: string) => `urn:pulumi:dev::inference-stack::${type}::${name}`;
const container = "docker:index/container:Container";
const network = "docker:index/network:Network";
const remoteImage = "docker:index/remoteImage:RemoteImage";

const state = [
  { urn: urn("pulumi:pulumi:Stack", "inference-stack-dev"), type: "pulumi:pulumi:Stack" },
  { urn: urn(container, "inference-0"), type: container, id: "c1" },
  { urn: urn(network, "network"), type: network, id: "n1" },
  {
    urn: urn(remoteImage, "service"),
    type: remoteImage,
    id: "sha256:i1name",
    outputs: { imageId: "sha256:i1" },
  },
];
const engine = [
  { kind: "network", id: "n1", name: "traffic" },
  { kind: "network", id: "n2", name: "traffic" },
  { kind: "container", id: "c1", name: "inference-0-aaa" },
  { kind: "container", id: "c2", name: "inference-0-bbb" },
] as const;
const facts = { state, identity: "0a1b2c3d", otherUpdates: 0, found: engine };

describe("what no state records", () => {
  test("is removed after a crash, containers before the networks they are on", () => {
    expect(unrecorded(facts)).toEqual([engine[3], engine[1]]);
  });

  test.each([
    ["another update of the stack lives", { otherUpdates: 1 }],
    ["there is no state", { state: undefined }],
    ["the state does not know the stack's identity, as one just made", { identity: undefined }],
  ])("is left alone where %s", (_, given) => {
    expect(unrecorded({ ...facts, ...given })).toEqual([]);
  });

  test("is nothing where all is recorded, also what waits to be deleted", () => {
    const old = { urn: urn(container, "inference-0"), type: container, id: "c2", delete: true };
    const found = engine.filter(({ id }) => id !== "n2");
    expect(unrecorded({ ...facts, state: [...state, old], found })).toEqual([]);
  });
});

describe("what is gone from the engine", () => {
  const present = {
    container: new Set(["c1"]),
    network: new Set(["n1"]),
    volume: new Set<string>(),
    image: new Set(["sha256:i1"]),
    service: undefined,
    secret: undefined,
  };

  test("is nothing where all is there", () => {
    expect(lost(state, present)).toEqual([]);
    expect(lost(undefined, present)).toEqual([]);
  });

  test("is what the state records and the engine has not", () => {
    const without = { ...present, container: new Set<string>(), image: new Set<string>() };
    expect(lost(state, without)).toEqual([
      { kind: "container", id: "c1", name: "inference-0" },
      { kind: "image", id: "sha256:i1", name: "service" },
    ]);
  });

  test("is every service where the engine left its Swarm", () => {
    const service = "docker:index/service:Service";
    const swarm = [{ urn: urn(service, "inference"), type: service, id: "s1" }];
    expect(lost(swarm, present)).toHaveLength(1);
    expect(lost(swarm, { ...present, service: new Set(["s1"]) })).toEqual([]);
  });

  test("is not what only waits to be deleted", () => {
    const old = { urn: urn(container, "inference-0"), type: container, id: "c9", delete: true };
    expect(lost([...state, old], present)).toEqual([]);
  });
});

test("only what the state has, and does not wait to delete, may be started again", () => {
  const old = { urn: urn(container, "inference-0"), type: container, id: "c9", delete: true };
  expect(kept([...state, old], ["", "c1", "c2", "c9"])).toEqual(["c1"]);
  expect(kept(undefined, ["c1"])).toEqual([]);
});

test("things are counted in words", () => {
  expect(inWords([])).toBe("");
  expect(inWords([{ kind: "image" }])).toBe("an image");
  expect(inWords([...engine])).toBe("2 networks and 2 containers");
  expect(inWords([...engine, { kind: "volume" }])).toBe("2 networks, 2 containers and a volume");
});

describe("before the CLI runs", () => {
  const gone = [{ kind: "container", id: "c1", name: "inference-0" }] as const;
  const ask = (
    verb: string,
    inspection: Parameters<typeof advice>[0]["inspection"],
    allowed?: string,
  ) => advice({ stack: "dev", verb, allowed, inspection });

  test("nothing is done where state and engine tell the same story", () => {
    expect(ask("up", { lost: [] })).toEqual({ refresh: false, rejoin: false });
    expect(ask("up", { lost: [], leftSwarm: "made" })).toEqual({ refresh: false, rejoin: false });
  });

  test.each(["up", "preview", "destroy"])(
    "%s reads the state anew where something is gone",
    (verb) => {
      const { note, refresh, rejoin, refusal } = ask(verb, { lost: gone });
      expect({ refresh, rejoin, refusal }).toEqual({ refresh: true, rejoin: false });
      expect(note).toBe(
        "a container of dev is gone from the engine (inference-0): the state is read anew first",
      );
    },
  );

  test("a refresh does that by itself", () => {
    expect(ask("refresh", { lost: gone })).toMatchObject({ refresh: false });
  });

  test("the Swarm that the stack had made is made again, but for a preview", () => {
    const left = { lost: gone, leftSwarm: "made" } as const;
    for (const verb of ["up", "refresh", "destroy"]) expect(ask(verb, left).rejoin).toBe(true);
    expect(ask("preview", left)).toMatchObject({ rejoin: false, refresh: false });
  });

  test("somebody else's Swarm is theirs to join again", () => {
    const left = { lost: gone, leftSwarm: "found" } as const;
    expect(ask("up", left).refusal).toMatch(/did not make the one it is on.*docker swarm join/);
    expect(ask("preview", left).refusal).toBeUndefined();
  });

  test("another engine is refused, unless the settings say that the stack goes over to it", () => {
    const elsewhere = { lost: [], elsewhere: { recorded: "OLD", found: "NEW" } };
    expect(ask("destroy", elsewhere).refusal).toMatch(
      /dev is on the engine OLD, but the one that answers here is NEW.*config set engine NEW -s dev/,
    );
    expect(ask("up", elsewhere, "NEW")).toEqual({ refresh: true, rejoin: false });
  });
});
