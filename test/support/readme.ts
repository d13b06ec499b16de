/**
 * What a section of the README has people type, by block: the lines after a prompt, without their
 * comments. Pure.
 */
export function typedIn(readme: string, section: string): string[][] {
  const [, after] = readme.split(new RegExp(`^## ${section}\n`, "m"));
  if (after === undefined) throw new Error(`the README has no section "${section}"`);
  const [text = ""] = after.split(/^## /m);
  return [...text.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = ""]) =>
    block.split("\n").flatMap((line) => {
      const typed = /^\$ (.*?)(\s+#.*)?$/.exec(line)?.[1];
      return typed === undefined ? [] : [typed];
    }),
  );
}

/** Puts a value of one's own in place of the README's, where a line sets a key that has one. Pure. */
export const withOwn = (line: string, own: Readonly<Record<string, string>>): string =>
  line.replace(/(config set (?:--secret )?)(\w+) (\S+)/g, (all, set: string, key: string) =>
    own[key] === undefined ? all : `${set}${key} ${own[key]}`,
  );
