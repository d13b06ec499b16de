import { expect, test } from "vitest";
import { type InspectedService, type InspectedTask, swarmStatus } from "./status-swarm.ts";
import { networkStatus, renderStatus } from "./status-table.ts";

const service: InspectedService = {
  ID: "s1",
  Spec: {
    Name: "stack-inference",
    Labels: { "inference-stack.part": "service" },
    TaskTemplate: {
      ContainerSpec: { Image: "registry:5000/iris@sha256:0123456789abcdef" },
      Resources: { Limits: { NanoCPUs: 500_000_000, MemoryBytes: 256 * 1024 ** 2 } },
    },
    Mode: { Replicated: { Replicas: 2 } },
  },
  UpdateStatus: { State: "rollback_completed" },
};

const task = (slot: number, node: string, change: Partial<InspectedTask> = {}): InspectedTask => ({
  ID: `task${slot}${node}`,
  ServiceID: "s1",
  Slot: slot,
  NodeID: node,
  DesiredState: "running",
  Status: { State: "running", Timestamp: `2026-01-0${slot}T10:00:00.5Z` },
  NetworksAttachments: [{ Addresses: [`10.0.1.${slot}/24`] }],
  ...change,
});

const node = (id: string, change = {}) => ({
  ...{ ID: id, Hostname: `host-${id}`, Status: "Ready", Availability: "Active" },
  ...{ ManagerStatus: id === "a" ? "Leader" : "" },
  ...change,
});

const status = swarmStatus(
  [service],
  [
    task(2, "b"),
    task(1, "a", {
      DesiredState: "shutdown",
      Status: {
        State: "failed",
        Timestamp: "2026-01-01T09:00:00Z",
        Err: "task: non-zero exit (137)",
        ContainerStatus: { ExitCode: 137 },
      },
    }),
    task(1, "a"),
  ],
  [node("a"), node("b", { Availability: "Drain" })],
  new Map([
    ["10.0.1.1", 30],
    ["10.0.1.2", 10],
  ]),
);

test("tells nodes, services and tasks, the ended ones after their successors", () => {
  expect(status.nodes).toEqual([
    { name: "host-a", state: "Ready", role: "manager", tasks: 1 },
    { name: "host-b", state: "Ready, Drain", role: "worker", tasks: 1 },
  ]);
  expect(status.services).toMatchObject([
    { part: "service", running: 2, replicas: 2, cpus: 0.5, memory: 256, image: "0123456789ab" },
  ]);
  expect(status.tasks.map(({ name, state, error }) => [name, state, error])).toEqual([
    ["stack-inference.1", "running", null],
    ["stack-inference.1", "failed, exit 137", "task: non-zero exit (137)"],
    ["stack-inference.2", "running", null],
  ]);
});

test("gives requests to the tasks that run", () => {
  expect(status.tasks.map(({ requests }) => requests)).toEqual([30, null, 10]);
  const text = renderStatus({
    ...{ stack: "swarm", containers: [], networks: [], models: [] },
    swarm: status,
  });
  expect(text).toMatch(/stack-inference\.1 on host-a +30 +75\.0%/);
  expect(text).toContain("rollback_completed");
});

/** As engine 20.10 tells of a task whose successor has started, with what is not looked at left out. */
const drains: Partial<InspectedTask> = {
  Status: {
    Timestamp: "2026-11-25T15:46:17.75895582Z",
    State: "running",
    ContainerStatus: { ExitCode: -1 },
  },
  DesiredState: "shutdown",
};

test("tells of a task that drains, and of one whose node is lost, what it does", () => {
  const state = (change: Partial<InspectedTask>, nodes = [node("a")]) =>
    swarmStatus([service], [task(1, "a", change)], nodes, new Map()).tasks[0]?.state;
  expect(state({})).toBe("running");
  expect(state(drains)).toBe("draining");
  // Its service is being scaled down, or removed.
  expect(state({ ...drains, DesiredState: "remove" })).toBe("draining");
  expect(state(drains, [node("a", { Status: "Down" })])).toBe("unreachable");
  const ended = { State: "shutdown", Timestamp: "", ContainerStatus: { ExitCode: 0 } };
  expect(state({ DesiredState: "shutdown", Status: ended })).toBe("shutdown");
});

test("lists containers on a network, and none of the ends that Swarm itself has there", () => {
  const member = (Name: string) => ({ Name });
  const id = "1aa5202db8eb04e310693961786aa78e15cd2709b8d2e64732e8f5e56d8928d4";
  const Containers = {
    [id]: member("loadtest-0-8b05244"),
    [id.replace("1a", "0b")]: member("gateway-0-b423b0c"),
    "lb-swarm-traffic": member("swarm-traffic-endpoint"),
    "ingress-sbox": member("ingress-endpoint"),
    "ep-d80af96471cc9545e3f3a4009a78ad121f997dbf58fcc754890a948725358b3e": member("gone"),
  };
  expect(networkStatus({ Name: "swarm-traffic", Driver: "overlay", Containers })).toEqual({
    name: "swarm-traffic",
    driver: "overlay",
    members: ["gateway-0-b423b0c", "loadtest-0-8b05244"],
  });
  expect(networkStatus({ Name: "n", Driver: "bridge", Containers: null }).members).toEqual([]);
});
