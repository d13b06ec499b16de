import { describe, expect, test } from "vitest";
import { cost, defaultPrices } from "./price.ts";
import { mostTrials, neighbours, nextStep, picture, winner } from "./search.ts";
import type { SearchOptions, Tried } from "./search.ts";
import { axisNames, combinations, limitsKey, type Limits } from "./space.ts";

const options: SearchOptions = {
  axes: {
    cpus: [0.1, 0.15, 0.2, 0.25, 0.5, 1],
    memory: [80, 96, 128, 192, 256],
    replicas: [1, 2, 3],
  },
  prices: defaultPrices,
  repeats: 3,
};
const cells = combinations(options.axes).sort(
  (a, b) => cost(a, defaultPrices) - cost(b, defaultPrices),
);

type Random = () => number;

function mulberry(seed: number): Random {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const bounded = (x: number): number => Math.max(-1, Math.min(1, x));

/** A service whose true margins are known, and how far a trial may show another. */
interface Simulated {
  readonly margin: (limits: Limits) => number;
  /** Standard deviation of the margin of one trial. */
  readonly noise: number;
  /** Share of trials that fail for no reason of the service. */
  readonly accidents: number;
}

/** Needs an amount of CPU in all and an amount of memory in each replica. */
function smooth(random: Random): (limits: Limits) => number {
  const cpuNeeded = 0.08 * (2.6 / 0.08) ** random();
  const lost = random() * 0.05;
  const scaling = 0.8 + 0.2 * random();
  const steepness = 1 + 2 * random();
  const memoryNeeded = 60 + random() * 150;
  return ({ cpus, memory, replicas }) => {
    const capacity = replicas * Math.max(0.001, cpus - lost) ** scaling;
    return bounded(
      Math.max(
        steepness * Math.log(cpuNeeded / capacity),
        4 * Math.log((memoryNeeded + (cpus >= 0.5 ? 20 : 0)) / memory),
      ),
    );
  };
}

const families: Record<string, (random: Random) => Simulated> = {
  monotone: (random) => ({ margin: smooth(random), noise: 0, accidents: 0 }),
  noisy: (random) => ({
    margin: smooth(random),
    noise: 0.05 + 0.1 * random(),
    accidents: 0.01,
  }),
  cliff: (random) => {
    const border = smooth(random);
    return { margin: (limits) => (border(limits) < 0 ? -0.7 : 1), noise: 0.05, accidents: 0 };
  },
  "non-monotone": (random) => {
    const border = smooth(random);
    const collapsing = new Set(cells.filter(() => random() < 0.05).map(limitsKey));
    const { memory: axis, cpus } = options.axes;
    const bad = { memory: axis[Math.floor(random() * 8)], cpus: cpus[Math.floor(random() * 6)] };
    return {
      margin: (limits) => {
        const oneSpot = collapsing.has(limitsKey(limits));
        const aBand = limits.memory === bad.memory && limits.cpus === bad.cpus;
        const processesShareMemory = limits.cpus >= 1 && limits.memory < 96;
        return oneSpot || aBand || processesShareMemory ? 1 : border(limits);
      },
      noise: 0.05,
      accidents: 0,
    };
  },
};

function trial(service: Simulated, limits: Limits, random: Random): Tried {
  const truth = service.margin(limits);
  const seen =
    random() < service.accidents
      ? 1
      : Math.abs(truth) === 1
        ? truth
        : bounded(truth + service.noise * normal(random));
  return { limits, margin: seen, verdict: seen < 0 ? "pass" : "fail" };
}

function search(service: Simulated, random: Random): Tried[] {
  const tried: Tried[] = [];
  for (;;) {
    const step = nextStep(options, tried);
    if (step.do === "stop") return tried;
    tried.push(trial(service, step.limits, random));
  }
}

const stepsApart = (a: Limits, b: Limits): number =>
  Math.max(
    ...axisNames.map((axis) => {
      const values = options.axes[axis];
      return Math.abs(values.indexOf(a[axis]) - values.indexOf(b[axis]));
    }),
  );

interface Score {
  found: boolean;
  wrong: boolean;
  trials: number;
}

/**
 * Found: the winner truly holds, and is within one step of the cheapest that does, or costs no more
 * than the cheapest that passes three times in a row more often than not. Wrong: it does not hold in
 * truth, or one step less that is said to have failed would pass nine times out of ten.
 */
function score(service: Simulated, random: Random): Score {
  const tried = search(service, random);
  const result = picture(options, tried);
  const won = winner(result)?.limits;
  const holds = cells.find((limits) => service.margin(limits) < 0);
  const surely = cells.find(
    (limits) => service.margin(limits) < 0 && service.margin(limits) <= -0.82 * service.noise,
  );
  if (won === undefined) {
    return { found: surely === undefined, wrong: false, trials: tried.length };
  }
  const close = [holds, surely].some((limits) => limits && stepsApart(won, limits) <= 1);
  const cheap = surely !== undefined && cost(won, defaultPrices) <= cost(surely, defaultPrices);
  const falseFailure = neighbours(options.axes, won).some(({ limits }) => {
    const seen = result.cells.find((cell) => limitsKey(cell.limits) === limitsKey(limits));
    return (
      seen?.standing === "fails" && service.margin(limits) < -1.28 * Math.max(0.01, service.noise)
    );
  });
  const truly = service.margin(won) < 0;
  return { found: truly && (close || cheap), wrong: !truly || falseFailure, trials: tried.length };
}

describe.each(Object.entries(families))("a %s service", (name, make) => {
  const runs = 300;
  const scores = Array.from({ length: runs }, (_, i) => {
    const random = mulberry((i + 1) * 7919 + name.length * 104_729);
    return score(make(random), random);
  });

  test("its minimum is found, within one step, in 95 of 100 searches", () => {
    expect(scores.filter(({ found }) => found).length / runs).toBeGreaterThanOrEqual(0.95);
  });

  test("a certificate is wrong in at most 1 of 100", () => {
    expect(scores.filter(({ wrong }) => wrong).length / runs).toBeLessThanOrEqual(0.01);
  });

  test("no search takes more than a third of the grid's trials", () => {
    expect(Math.max(...scores.map(({ trials }) => trials))).toBeLessThanOrEqual(cells.length / 3);
  });
});

const always =
  (verdict: Tried["verdict"], margin: number) =>
  (limits: Limits): Tried => ({ limits, verdict, margin });

function run(answer: (limits: Limits) => Tried, opts: SearchOptions = options): Tried[] {
  const tried: Tried[] = [];
  for (;;) {
    const step = nextStep(opts, tried);
    if (step.do === "stop") return tried;
    tried.push(answer(step.limits));
  }
}

describe("the search", () => {
  test("goes on from any prefix of its trials as it would have anyway", () => {
    const random = mulberry(5);
    const service = { margin: smooth(random), noise: 0.1, accidents: 0.05 };
    const tried = search(service, mulberry(6));
    for (let n = 0; n < tried.length; n += 1) {
      const step = nextStep(options, tried.slice(0, n));
      expect(step).toMatchObject({ do: "try", limits: tried[n]?.limits });
    }
  });

  test("stops soon, without a winner, where nothing can pass", () => {
    const tried = run(always("fail", 1));
    expect(winner(picture(options, tried))).toBeUndefined();
    expect(tried.length).toBeLessThanOrEqual(12);
  });

  test("gives up a configuration whose trials are void, and ends", () => {
    const tried = run(always("void", 0));
    expect(tried.length).toBeLessThanOrEqual(mostTrials(options));
    expect(picture(options, tried).cells.every((cell) => cell.standing !== "holds")).toBe(true);
  });

  test("certifies the cheapest of all where everything passes, with nothing below it to try", () => {
    const tried = run(always("pass", -0.8));
    expect(winner(picture(options, tried))?.limits).toEqual(cells[0]);
  });

  test("tries what costs less though a larger one failed, when its failure was an odd one out", () => {
    // 96 MB collapses at every CPU, 80 MB does not.
    const tried = run((limits) =>
      limits.memory === 96 || limits.cpus < 0.2
        ? { limits, verdict: "fail", margin: 1 }
        : { limits, verdict: "pass", margin: -0.6 },
    );
    expect(winner(picture(options, tried))?.limits).toEqual({ cpus: 0.2, memory: 80, replicas: 1 });
  });

  test("proves the best it has when only so many trials are left", () => {
    const few = { ...options, trials: 8 };
    const tried = run(
      (limits) =>
        limits.cpus >= 0.2
          ? { limits, verdict: "pass", margin: -0.6 }
          : { limits, verdict: "fail", margin: 1 },
      few,
    );
    expect(tried.length).toBeLessThanOrEqual(8);
    expect(winner(picture(few, tried))).toBeDefined();
  });
});
