// Numbers as people read them. Each takes the unit its name or parameter says.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 12345 → "12,345". */
export const count = (n: number): string => whole.format(n);

/** Events a second: "0", "0.25", "41.3", "12,345". */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 10) return perSecond.toFixed(2);
  return perSecond < 100 ? perSecond.toFixed(1) : count(perSecond);
}

/** Milliseconds, three digits where there are as many: "0.41", "7.31", "128", "30,001". */
export function ms(milliseconds: number): string {
  if (milliseconds < 10) return milliseconds.toFixed(2);
  return milliseconds < 100 ? milliseconds.toFixed(1) : count(milliseconds);
}

/** A share of 1: "0%", "<0.01%", "0.25%", "12.5%", "100%". A share that is not 0 never reads 0. */
export function percent(share: number): string {
  if (share === 0) return "0%";
  if (share < 0.0001) return "<0.01%";
  // 99.96 % must not read as all of it.
  if (share < 1 && share > 0.9995) return ">99.9%";
  const digits = share < 0.1 ? 2 : share < 1 ? 1 : 0;
  return `${(share * 100).toFixed(digits)}%`;
}

/** Bytes: "312 B", "48.2 KiB", "1.5 GiB". */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit === 0 || n >= 100 ? count(n) : n.toFixed(1)} ${units[unit]!}`;
}

/** Seconds: "8 s", "2 min 05 s", "1 h 04 min". */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
}

/** Unix seconds, in the reader's own zone: "14:03:22". */
export const clock = (unix: number): string =>
  new Date(unix * 1000).toLocaleTimeString("en-GB", { hour12: false });

/** Unix seconds: "21 Nov, 14:03:22". */
export const day = (unix: number): string =>
  `${new Date(unix * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock(unix)}`;

/** The end of a long name that tells one image from another: digest or tag. */
export function shortImage(image: string): string {
  const digest = /sha256:([0-9a-f]{12})/.exec(image);
  if (digest !== null) return digest[1]!;
  return image.split("/").at(-1) ?? image;
}

/** What a number on a chart counts. */
export type Unit = "perSecond" | "ms" | "count" | "cores" | "share" | "bytes";

/** A value with its unit, for a legend or a reader. */
export function inUnit(unit: Unit, value: number): string {
  switch (unit) {
    case "perSecond":
      return `${rate(value)}/s`;
    case "ms":
      return `${ms(value)} ms`;
    case "count":
      return count(value);
    case "cores":
      return value.toFixed(2);
    case "share":
      return percent(value);
    case "bytes":
      return bytes(value);
  }
}

/** A round value beside an axis, as short as can be. */
export function onAxis(unit: Unit, value: number): string {
  if (unit === "bytes") return bytes(value).replace(".0 ", " ");
  if (unit === "share") return `${Number((value * 100).toPrecision(3))}%`;
  const short = (n: number): string => String(Number(n.toPrecision(3)));
  if (unit === "ms" && value >= 1000) return `${short(value / 1000)} s`;
  if (value >= 1e6) return `${short(value / 1e6)}M`;
  if (value >= 10_000) return `${short(value / 1000)}k`;
  return short(value) + (unit === "ms" && value !== 0 ? " ms" : "");
}

/** Seconds since a start, on an axis: "0:00", "1:30", "1:00:00". */
export function elapsed(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  const s = Math.floor(seconds % 60);
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** What a threshold was judged by, in the unit its text is in: "16.4 ms", "0.04%", "909". */
export function judged(text: string, value: number): string {
  if (text.includes("%")) return percent(value);
  return /^\s*(p\(?\d|med|avg|mean|min|max)/i.test(text) ? `${ms(value)} ms` : rate(value);
}
