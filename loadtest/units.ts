// Numbers and durations as people and Locust write them.

/** A message for the person who typed something: printed as it is, without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";
}

const unitSeconds: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001 };

/** "90", "90s", "1h30m", "2m", "500ms" -> seconds. Throws UserError. */
export function parseDuration(text: string, what: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) {
    throw new UserError(`${what} is "${text}"; give a duration such as 30s, 2m, 1h30m or 500ms.`);
  }
  return parts.reduce((sum, part) => sum + Number(part[1]) * unitSeconds[part[2]!]!, 0);
}

export interface Bounds {
  least: number;
  most: number;
  whole?: boolean;
}

/** Throws UserError naming the bounds. */
export function parseNumber(
  text: string,
  what: string,
  { least, most, whole = false }: Bounds,
): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw new UserError(
      `${what} is "${text}"; give a ${whole ? "whole " : ""}number from ${least} to ${most}.`,
    );
  }
  return value;
}
