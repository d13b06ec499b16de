import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { joinScript, leaveScript, membershipEnvironment } from "./swarm-membership.ts";

/** Makes the engine a Swarm manager where it is in no Swarm yet, and undoes that with the stack. */
export const swarmMember = (stack: string): pulumi.Resource =>
  new command.local.Command("swarm", {
    create: joinScript,
    delete: leaveScript,
    environment: membershipEnvironment(stack),
  });
