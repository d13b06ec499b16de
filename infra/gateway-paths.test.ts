import { expect, test } from "vitest";
import { testService } from "../service/testing.ts";
import { servicePaths } from "./gateway-paths.ts";

test("what the gateway lets through is what the service has routes for", () => {
  const { app } = testService("iris");
  const routes = app.routes.map(({ path }) => path.replaceAll(/:\w+/g, "{}"));
  expect([...new Set(routes)].sort()).toEqual([...servicePaths].sort());
});
