import type { Failure } from "../model/fault.ts";
import type { Candidate } from "../model/installer.ts";
import type { WatchStatus } from "../model/watch.ts";

/** What the first process of a replica says to another. */
export type Order =
  /** The answer to `joined`: what is served, if anything. */
  | {
      readonly type: "welcome";
      readonly candidate: Candidate | undefined;
      readonly status: WatchStatus;
    }
  | { readonly type: "status"; readonly status: WatchStatus }
  | { readonly type: "prepare"; readonly id: number; readonly candidate: Candidate }
  | { readonly type: "discard" }
  | { readonly type: "commit"; readonly candidate: Candidate; readonly at: number }
  | { readonly type: "metrics"; readonly id: number };

/** What another process says to the first. */
export type Report =
  | { readonly type: "joined" }
  | { readonly type: "prepared"; readonly id: number; readonly failure?: Failure }
  | { readonly type: "metrics-are"; readonly id: number; readonly metrics: object };
