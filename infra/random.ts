import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

const randomHex = (bytes: number): string => `od -An -vtx1 -N${bytes} /dev/urandom | tr -d ' \\n'`;

/** 32 random bytes in hexadecimal, made once and kept: encrypted in the state, in no log. */
export function randomSecret(
  name: string,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const made = new command.local.Command(
    name,
    { create: randomHex(32), logging: "none" },
    { ...opts, additionalSecretOutputs: ["stdout", "stderr"] },
  );
  return pulumi.secret(made.stdout);
}

/**
 * Twelve hex digits for the name of what holds some content: others for each change of it. A hash would
 * give back content its old name, which its old holder still has after an update that failed.
 *
 * The list of triggers is a secret as a whole where the content is one: a list with a secret element is
 * refused by the provider while the element is unknown, as it is in the preview of a fresh stack.
 */
export function nameFor(
  content: pulumi.Output<string>,
  name: string,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const made = new command.local.Command(
    `${name}-name`,
    { create: randomHex(6), triggers: pulumi.all([content]), logging: "none" },
    opts,
  );
  return pulumi.unsecret(made.stdout);
}
