import { expect, test } from "vitest";
import { parseRequests } from "./gateway-stats.ts";

test("counts requests by replica address, leaving out empty places and other proxies", () => {
  const csv = [
    "# pxname,svname,stot,addr,",
    "api,FRONTEND,90,,",
    "replicas,replica1,40,172.18.0.3:8000,",
    "replicas,replica2,20,172.18.0.4:8000,",
    "replicas,replica3,0,,",
    "replicas,BACKEND,60,,",
    "unchecked,replica1,2,172.18.0.3:8000,",
    "",
  ].join("\n");
  expect([...parseRequests(csv)]).toEqual([
    ["172.18.0.3", 42],
    ["172.18.0.4", 20],
  ]);
});
