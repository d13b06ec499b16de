import { expect, test } from "vitest";
import { cuts } from "./connections.ts";

const urn = (name: string) =>
  `urn:pulumi:dev::inference-stack::docker:index/container:Container::${name}`;
const container = (id: string, networksAdvanced: unknown) => ({
  urn: urn(id),
  type: "docker:index/container:Container",
  id,
  inputs: { networksAdvanced },
});
const on = (Id: string, ...names: string[]) => ({
  Id,
  NetworkSettings: { Networks: Object.fromEntries(names.map((name) => [name, {}])) },
});

const state = [
  { urn: "urn:pulumi:dev::inference-stack::pulumi:pulumi:Stack::dev", type: "pulumi:pulumi:Stack" },
  container("c1", [{ name: "traffic", aliases: ["inference"] }, { name: "dependencies" }]),
];

test("a container is put back on what it is declared to be on, with the names it has there", () => {
  expect(cuts(state, [on("c1")])).toEqual([
    { id: "c1", network: "traffic", aliases: ["inference"] },
    { id: "c1", network: "dependencies", aliases: [] },
  ]);
  expect(cuts(state, [on("c1", "traffic", "somebody's")])).toEqual([
    { id: "c1", network: "dependencies", aliases: [] },
  ]);
});

test("nothing is done with who is where it is declared to be, nor with what no state keeps", () => {
  expect(cuts(state, [on("c1", "traffic", "dependencies"), on("c2")])).toEqual([]);
  expect(cuts(undefined, [on("c1")])).toEqual([]);
  const old = { ...container("c1", [{ name: "traffic" }]), delete: true };
  expect(cuts([old], [on("c1")])).toEqual([]);
});
