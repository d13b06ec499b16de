// How much is asked, and when: users in a closed loop, or requests a second in an open one.
import { parseDuration, parseNumber, UserError } from "./units.ts";

/** One stretch of a closed loop: go to `users`, then stay until `seconds` after its beginning. */
export interface UserStage {
  users: number;
  /** null: until the run ends. */
  seconds: number | null;
}

/** One stretch of an open loop: the rate, in requests a second, goes linearly between its ends. */
export interface RateStage {
  from: number;
  to: number;
  seconds: number | null;
}

export type Load =
  { kind: "users"; stages: UserStage[]; spawnRate: number } | { kind: "rate"; stages: RateStage[] };

const maxUsers = 1_000_000;
const maxRate = 1_000_000;

function stages<T>(
  text: string,
  what: string,
  one: (size: string, seconds: number | null) => T,
): T[] {
  const parts = text.split(",").map((part) => part.trim());
  return parts.map((part, i) => {
    const [size = "", time, ...rest] = part.split(":");
    if (rest.length > 0 || (time === undefined && i < parts.length - 1)) {
      throw new UserError(
        `${what} is "${text}"; give one number, or steps with their durations: 100:1m,500:2m.`,
      );
    }
    return one(size, time === undefined ? null : parseDuration(time, what));
  });
}

/** "1000", or steps "100:1m,500:2m". Throws UserError. */
export function parseUsers(text: string, what = "--users"): UserStage[] {
  return stages(text, what, (size, seconds) => ({
    users: parseNumber(size, what, { least: 0, most: maxUsers, whole: true }),
    seconds,
  }));
}

/** "500", "500:1m,1000:1m", or "0-1000:2m" for a ramp. Throws UserError. */
export function parseRate(text: string, what = "--rate"): RateStage[] {
  const bounds = { least: 0, most: maxRate };
  return stages(text, what, (size, seconds) => {
    const [from = "", to = from, ...rest] = size.split("-");
    if (rest.length > 0 || (to !== from && seconds === null)) {
      throw new UserError(`${what} is "${text}"; a ramp needs a duration: 0-1000:2m.`);
    }
    return { from: parseNumber(from, what, bounds), to: parseNumber(to, what, bounds), seconds };
  });
}

/** Seconds until the last stage ends; null when it never does. */
export function durationOf(load: Load): number | null {
  let sum = 0;
  for (const { seconds } of load.stages) {
    if (seconds === null) return null;
    sum += seconds;
  }
  return sum;
}

/** The most users there will be; null in an open loop. */
export const peakUsers = (load: Load): number | null =>
  load.kind === "users" ? Math.max(...load.stages.map((stage) => stage.users)) : null;

/** In words, for people. */
export function describeLoad(load: Load): string {
  const time = (seconds: number | null): string => (seconds === null ? "" : ` for ${seconds} s`);
  return load.kind === "users"
    ? `${load.stages.map(({ users, seconds }) => `${users} users${time(seconds)}`).join(", then ")}, ${load.spawnRate} a second`
    : load.stages
        .map(({ from, to, seconds }) =>
          from === to
            ? `${to} requests/s${time(seconds)}`
            : `${from} to ${to} requests/s within ${seconds ?? 0} s`,
        )
        .join(", then ");
}

/** The part of worker `index` of `count` in a whole number: shares differ by one at most and add up. */
export const share = (whole: number, index: number, count: number): number =>
  Math.floor(whole / count) + (index < whole % count ? 1 : 0);
