// What Pulumi and the stack said, in few words.

/** The last thing an `up` said it did. Pure. */
export function lastSaid(output: string): string {
  const last = output
    .split("\n")
    .map((line) => line.replaceAll(/\s+/g, " ").trim())
    .filter((line) => line !== "" && !line.startsWith("@"))
    .at(-1);
  if (last === undefined) return "nothing yet";
  return last
    .replace(/^[-+~ ]+/, "")
    .replace(/^[\w-]+:[\w/]+:/, "")
    .replace(/ \(\d+(\.\d+)?s\).*$/, "");
}

/** What an `up` says of what it puts right, as it is shown. */
const words: readonly [RegExp, (...found: string[]) => string][] = [
  [/cleared the lock of process \d+, which is gone/g, () => "cleared a lock"],
  [/forgot (\d+ operations?) that a killed update had begun/g, (what) => `forgot ${what}`],
  [/removed the (\w+) \S+, which no state records/g, (kind) => `removed a ${kind}`],
  [/started the container \S+, which had been stopped/g, () => "started a container"],
  [/(\S+ \w+) of \S+ (?:is|are) gone from the engine/g, (what) => `missed ${what}`],
];

/** What an `up` had to put right first. It says it as it goes and again at its end. Pure. */
export const recoveries = (output: string): string[] =>
  words.flatMap(([pattern, say]) => {
    const once = new Map([...output.matchAll(pattern)].map(([text, ...found]) => [text, found]));
    return [...once.values()].map((found) => say(...found));
  });
