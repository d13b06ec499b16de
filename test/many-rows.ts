// A load test's scenario of large predictions: what they cost is the replicas' work. Of single rows a
// gateway and users on the same two cores pass on no more than these can take.
import type { Scenario } from "../loadtest/scenario/scenario.ts";
import { sample } from "./traffic.ts";

export default {
  name: "arrays of 100 rows",
  tasks: [
    {
      request: {
        method: "POST",
        path: "/predict",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(Array.from({ length: 100 }, () => sample)),
      },
    },
  ],
} satisfies Scenario;
