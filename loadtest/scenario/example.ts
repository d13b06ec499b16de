// A scenario to start from: npm run loadtest -- -f loadtest/scenario/example.ts -u 100 -r 10 -t 1m
import { between, scenario } from "./scenario.ts";

export default scenario({
  thinkTime: between(0.5, 1.5),
  tasks: [
    {
      name: "/predict",
      weight: 9,
      request: ({ random }) => ({
        path: "/predict",
        body: {
          sepal_length: 4.3 + 3.6 * random(),
          sepal_width: 2 + 2.4 * random(),
          petal_length: 1 + 5.9 * random(),
          petal_width: 0.1 + 2.4 * random(),
        },
      }),
      check: (reply) => {
        if (reply.status !== 200) return `status ${reply.status}`;
        return typeof reply.json() === "object" ? undefined : "the reply is not an object";
      },
    },
    { name: "/model", request: { path: "/model" } },
  ],
});
