// The words of the configuration ("0.5", "256MB", "10s") and the numbers they stand for.

/** Processor cores. */
export type Cpus = number;
/** Mebibytes: in the configuration, as in Docker's own flags, MB means MiB. */
export type MiB = number;
export type Milliseconds = number;
export type Bytes = number;

const memoryUnits: Readonly<Record<string, MiB>> = {
  mb: 1,
  mib: 1,
  m: 1,
  gb: 1024,
  gib: 1024,
  g: 1024,
};
const bodyUnits: Readonly<Record<string, Bytes>> = {
  kb: 1024,
  kib: 1024,
  mb: 1024 ** 2,
  mib: 1024 ** 2,
};
const durationUnits: Readonly<Record<string, Milliseconds>> = { ms: 1, s: 1000, m: 60_000 };

/** What a value may look like; thrown with the reason by the parsers below. */
export class UnitError extends Error {}

function amount(text: string, units: Readonly<Record<string, number>>, example: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim()) ?? [];
  const factor = unit === undefined ? undefined : units[unit.toLowerCase()];
  if (number === undefined || factor === undefined) throw new UnitError(example);
  return Number(number) * factor;
}

/** `"0.5"` → 0.5 cores. Allowed: 0.01 to 512, in steps that the engine can keep (0.01). */
export function parseCpus(text: string): Cpus {
  const cpus = Number(text);
  if (!/^\d*\.?\d+$/.test(text.trim()) || cpus < 0.01 || cpus > 512) {
    throw new UnitError("a number of CPU cores from 0.01 up, such as 0.5");
  }
  return cpus;
}

/** `"256MB"` → 256 MiB. Allowed: 32MB and more, whole mebibytes. */
export function parseMemory(text: string): MiB {
  const example = "an amount of memory from 32MB up, such as 256MB or 1GB";
  const mib = amount(text, memoryUnits, example);
  if (mib < 32 || !Number.isInteger(mib)) throw new UnitError(example);
  return mib;
}

/** `"4MB"` → 4,194,304 bytes. Allowed: 1kB to 32MB, which is the most that the service keeps of bodies. */
export function parseBody(text: string): Bytes {
  const example = "a size from 1kB to 32MB, such as 4MB";
  const bytes = amount(text, bodyUnits, example);
  if (bytes < 1024 || bytes > 32 * 1024 ** 2 || !Number.isInteger(bytes)) {
    throw new UnitError(example);
  }
  return bytes;
}

/** `"10s"` → 10,000 ms. Allowed: 100ms to 10m. */
export function parseDuration(text: string): Milliseconds {
  const example = "a duration from 100ms to 10m, such as 10s";
  const ms = amount(text, durationUnits, example);
  if (ms < 100 || ms > 600_000) throw new UnitError(example);
  return ms;
}
