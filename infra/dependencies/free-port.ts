// Run by `up` once in the life of a stack: prints a port for its MLflow on the address BIND, which is
// MLflow's usual one or the next that nothing listens on, and none of those in AVOID.
import { hint } from "../hint.ts";
import { portIsFree } from "../port.ts";

const { STACK: stack = "dev", BIND: bind = "127.0.0.1", AVOID: avoid = "" } = process.env;
const taken = new Set(avoid.split(" ").map(Number));

for (let port = 5000; port < 6000; port++) {
  if (taken.has(port) || !(await portIsFree(port, bind))) continue;
  process.stdout.write(String(port));
  process.exit(0);
}
process.stderr.write(
  `on ${bind} all ports from 5000 to 5999 are taken: name another with ${hint.setKey(stack, "mlflowPort", 6000)}\n`,
);
process.exit(1);
