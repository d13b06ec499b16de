import { expect, test } from "vitest";
import { type Member, questions } from "./names.ts";

const member = (
  Id: string,
  networks: Record<string, string[] | null>,
  Status = "running",
): Member => ({
  Id,
  Name: `/${Id}`,
  State: { Status },
  NetworkSettings: {
    Networks: Object.fromEntries(
      Object.entries(networks).map(([name, Aliases]) => [
        name,
        { IPAddress: "172.18.0.2", Aliases },
      ]),
    ),
  },
});

test("two on a network are asked for the names of the others, replicas by the one they share", () => {
  const asked = questions([
    member("aaa1", { traffic: ["gateway", "aaa"] }),
    member("bbb1", { traffic: ["inference", "bbb"], dependencies: null }),
    member("ccc1", { traffic: ["inference"] }),
    member("ddd1", { dependencies: ["mlflow"] }),
  ]);
  expect(asked).toEqual([
    { asked: "aaa1", names: new Map([["inference", ["bbb1", "ccc1"]]]) },
    {
      asked: "bbb1",
      names: new Map([
        ["gateway", ["aaa1"]],
        ["inference", ["ccc1"]],
      ]),
    },
    { asked: "bbb1", names: new Map([["mlflow", ["ddd1"]]]) },
  ]);
});

test("nobody is asked where one is alone, or where nobody has a name", () => {
  expect(questions([member("aaa1", { traffic: ["gateway"] })])).toEqual([]);
  expect(questions([member("aaa1", { t: ["aaa"] }), member("bbb1", { t: null })])).toEqual([]);
});

test.each(["restarting", "paused"])("who is %s is neither asked nor looked for", (status) => {
  const members = [
    member("aaa1", { traffic: ["inference"] }, status),
    member("bbb1", { traffic: ["gateway"] }),
    member("ccc1", { traffic: ["loadtest"] }),
  ];
  expect(questions(members)).toEqual([
    { asked: "bbb1", names: new Map([["loadtest", ["ccc1"]]]) },
    { asked: "ccc1", names: new Map([["gateway", ["bbb1"]]]) },
  ]);
});
