// Says what of a long run is under way, where it has been for long: whoever waits, or ends it, sees at what.
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** Of a file: its test or hook, and since when (ms). */
export interface UnderWay {
  readonly file: string;
  readonly what: string;
  readonly since: number;
}

/** How long nothing is said of one, and how long until it is said again. */
const pauseMs = 120_000;
const lookMs = 30_000;

/** A line for each that has been under way for as many whole pauses more than it was at the look before. Pure. */
export function overdue(all: Iterable<UnderWay>, now: number, before: number): string[] {
  const pauses = ({ since }: UnderWay, at: number): number => Math.floor((at - since) / pauseMs);
  return [...all]
    .filter((one) => pauses(one, now) > Math.max(0, pauses(one, before)))
    .map(
      ({ file, what, since }) => `… ${file}: ${what}, for ${Math.round((now - since) / 1000)} s`,
    );
}

export default class implements Reporter {
  readonly #underWay = new Map<string, UnderWay>();
  #looked = Date.now();
  #timer: NodeJS.Timeout | undefined;

  onTestRunStart(): void {
    this.#timer = setInterval(() => {
      this.#look();
    }, lookMs);
  }

  onTestRunEnd(): void {
    clearInterval(this.#timer);
  }

  onTestModuleStart(module: TestModule): void {
    this.#note(module, "what comes before its tests");
  }

  onTestCaseReady(test: TestCase): void {
    this.#note(test.module, test.fullName);
  }

  onTestCaseResult(test: TestCase): void {
    this.#note(test.module, `what comes after "${test.fullName}"`);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#underWay.delete(module.moduleId);
  }

  #note({ moduleId, relativeModuleId }: TestModule, what: string): void {
    this.#underWay.set(moduleId, { file: relativeModuleId, what, since: Date.now() });
  }

  #look(): void {
    const now = Date.now();
    for (const line of overdue(this.#underWay.values(), now, this.#looked)) console.log(line);
    this.#looked = now;
  }
}
