import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

/**
 * A command that is run once in the life of a stack, and whose output is kept from then on, whatever
 * becomes of its text. The state has it, and nothing else.
 */
export const madeOnce = (
  name: string,
  args: Pick<command.local.CommandArgs, "create" | "dir" | "environment" | "triggers">,
  opts: pulumi.CustomResourceOptions = {},
): command.local.Command =>
  new command.local.Command(
    name,
    { ...args, logging: "none" },
    {
      ...opts,
      // The last is in states of before, when our build of the provider still recorded it.
      ignoreChanges: ["create", "dir", "environment", "logging", "addPreviousOutputInEnv"],
    },
  );
