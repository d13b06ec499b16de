import * as pulumi from "@pulumi/pulumi";
import { madeOnce } from "./made-once.ts";

const randomHex = (bytes: number): string => `od -An -vtx1 -N${bytes} /dev/urandom | tr -d ' \\n'`;

/** 32 random bytes in hexadecimal, made once and kept: encrypted in the state, in no log. */
export function randomSecret(
  name: string,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const made = madeOnce(
    name,
    { create: randomHex(32) },
    { ...opts, additionalSecretOutputs: ["stdout", "stderr"] },
  );
  return pulumi.secret(made.stdout);
}

/**
 * Twelve hex digits for the name of what holds some content: others for each change of it. A hash would
 * give back content its old name, which its old holder still has after an update that failed.
 */
export function nameFor(
  content: pulumi.Output<string>,
  name: string,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  // Secret as a whole: upstream's provider refuses a list with an element that is secret and unknown.
  const triggers = pulumi.all([content]);
  const made = madeOnce(`${name}-name`, { create: randomHex(6), triggers }, opts);
  return pulumi.unsecret(made.stdout);
}
