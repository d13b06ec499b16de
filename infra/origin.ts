import { createHash, randomBytes } from "node:crypto";

export interface Origin {
  readonly organization: string;
  readonly project: string;
  readonly stack: string;
  /** Text of the stack's settings file, `Pulumi.<stack>.yaml`. */
  readonly settings: string;
}

/** What Pulumi calls the organization of a backend that knows none. */
const noOrganization = "organization";

/**
 * The identity that a stack is given when its state has none yet: the same in every checkout and after
 * each `destroy`, so that a new one finds the data that an old one kept. It comes from what `stack init`
 * made for this stack alone: the salt or key of its secrets, which its settings file holds. Where there
 * is none, and no organization either, nothing tells two stacks of one name apart, and it is random.
 */
export function originOf({ organization, project, stack, settings }: Origin): string {
  const made = /^(?:encryptionsalt|encryptedkey): *(\S+)/m.exec(settings)?.[1];
  if (made === undefined && organization === noOrganization) return randomBytes(4).toString("hex");
  return createHash("sha256")
    .update([organization, project, stack, made ?? ""].join("\0"))
    .digest("hex")
    .slice(0, 8);
}
