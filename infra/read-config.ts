import * as pulumi from "@pulumi/pulumi";
import { parseConfig, type StackConfig } from "./config.ts";

/**
 * The configuration of the running stack, all of it, once.
 * @throws UserError
 */
export function readConfig(): StackConfig {
  const prefix = `${pulumi.getProject()}:`;
  const own = (name: string) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []);
  const values = Object.entries(pulumi.runtime.allConfig()).flatMap(([name, value]) =>
    own(name).map((key) => [key, value] as const),
  );
  const secretKeys = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]") as string[];
  return parseConfig({
    stack: pulumi.getStack(),
    values: Object.fromEntries(values),
    secretKeys: new Set(secretKeys.flatMap(own)),
  });
}
