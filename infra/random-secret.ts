import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** 32 random bytes in hexadecimal, made once and kept: encrypted in the state, in no log. */
export function randomSecret(
  name: string,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const made = new command.local.Command(
    name,
    { create: "od -An -vtx1 -N32 /dev/urandom | tr -d ' \\n'", logging: "none" },
    { ...opts, additionalSecretOutputs: ["stdout", "stderr"] },
  );
  return pulumi.secret(made.stdout);
}
