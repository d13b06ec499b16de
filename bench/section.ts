import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const FILE = join(import.meta.dirname, "../docs/benchmarks.md");

/** Writes a section of docs/benchmarks.md between its markers; the others stay as they are. */
export async function writeSection(
  name: string,
  title: string,
  lines: readonly string[],
): Promise<void> {
  const [start, end] = [`<!-- ${name}: start -->`, `<!-- ${name}: end -->`];
  const section = [start, `## ${title}`, "", ...lines, end].join("\n");
  const before = await readFile(FILE, "utf8").catch(
    () => "# Benchmarks\n\nEvery section is written by the command that measured it.\n",
  );
  const from = before.indexOf(start);
  const after =
    from < 0
      ? `${before.trimEnd()}\n\n${section}\n`
      : before.slice(0, from) + section + before.slice(before.indexOf(end) + end.length);
  await writeFile(FILE, after);
}
