import { parseNumber, UserError } from "../units.ts";
import { between, constant, exponential, pacing, type ThinkTime } from "./scenario.ts";

/** "1", "1-3", "exp:1", "pace:1", in seconds. Throws UserError. */
export function parseThinkTime(text: string, what = "--think-time"): ThinkTime {
  const seconds = (part: string): number => parseNumber(part, what, { least: 0, most: 86_400 });
  const named = /^(exp|pace):(.*)$/.exec(text);
  if (named !== null) return (named[1] === "exp" ? exponential : pacing)(seconds(named[2]!));
  const [min = "", max, ...rest] = text.split("-");
  if (rest.length > 0) {
    throw new UserError(`${what} is "${text}"; give seconds as 1, 1-3, exp:1 or pace:1.`);
  }
  if (max === undefined) return constant(seconds(min));
  if (seconds(max) < seconds(min)) {
    throw new UserError(`${what} is "${text}"; the second number must not be the smaller.`);
  }
  return between(seconds(min), seconds(max));
}
