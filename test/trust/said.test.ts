import { expect, test } from "vitest";
import { lastSaid, recoveries } from "./said.ts";

test.each([
  ["", "nothing yet"],
  ["Updating (dev):\n\n@ updating....\n", "Updating (dev):"],
  [
    " ++ docker:index:Container inference-0 creating replacement (0s) [diff: ~cpus]\n@ updating.....\n",
    "Container inference-0 creating replacement",
  ],
  [
    " +  command:local:Command gateway-config creating (0s) serving\n",
    "Command gateway-config creating",
  ],
  ["    pulumi:pulumi:Stack inference-stack-dev  \nResources:\n    + 1 created\n", "1 created"],
])("of %j the last thing said is %j", (output, said) => {
  expect(lastSaid(output)).toBe(said);
});

test("what an update put right is told in few words, each once for each thing", () => {
  const output = `inference-stack: cleared the lock of process 8961, which is gone
inference-stack: forgot 2 operations that a killed update had begun: what they made is looked for on the engine
Updating (dev):
    pulumi:pulumi:Stack inference-stack-dev  removed the container inference-1-4f87ef0, which no state records
    pulumi:pulumi:Stack inference-stack-dev  removed the container inference-0-824bcd3, which no state records
Diagnostics:
    removed the container inference-1-4f87ef0, which no state records
`;
  expect(recoveries(output)).toEqual([
    "cleared a lock",
    "forgot 2 operations",
    "removed a container",
    "removed a container",
  ]);
  expect(recoveries("Resources:\n    39 unchanged\n")).toEqual([]);
});
