// One page that needs no network: the live page's own code, with the run's events inside.
import type { RunEvent } from "../events.ts";
import { pageAssets } from "../ui/assets.ts";
import { pageDocument } from "../ui/document.ts";

export const htmlReport = async (events: readonly RunEvent[]): Promise<string> =>
  pageDocument(await pageAssets(), { kind: "report", events }).html;
