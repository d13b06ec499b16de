import { z } from "zod";
import type { Verdict } from "./verdict.ts";

const agreement = z
  .object({
    rows: z.number(),
    agreed: z.number(),
    difference: z.number().nullable(),
    disagreements: z.array(
      z.object({ row: z.number(), original: z.unknown(), converted: z.unknown() }),
    ),
  })
  .nullish();
const alias = z.object({
  name: z.string(),
  alias: z.string(),
  version: z.string(),
  before: z.string().nullable(),
});
const published = z.object({
  name: z.string(),
  version: z.string(),
  digest: z.string(),
  alias: z.string().optional(),
  agreement,
});
const checked = z.object({
  agreement,
  columns: z.record(z.string(), z.object({ kind: z.string(), nullable: z.boolean() })).optional(),
  class_labels: z.array(z.unknown()).nullish(),
});
const versions = z.object({
  name: z.string(),
  versions: z.array(
    z.object({
      version: z.string(),
      aliases: z.array(z.string()),
      stage: z.string().nullable(),
      created: z.number(),
      onnx: z.boolean(),
      digest: z.string().nullable(),
      source: z.string().nullable(),
    }),
  ),
});

const backedUp = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      aliases: z.record(z.string(), z.string()),
      versions: z.array(
        z.object({ version: z.string(), digest: z.string(), done: z.string().optional() }),
      ),
    }),
  ),
});

/** The result of a command, for people. */
export function describe(
  command: "publish" | "check" | "list" | "promote" | "rollback" | "export" | "import",
  result: unknown,
): string {
  switch (command) {
    case "publish": {
      const { name, version, digest, alias, agreement } = published.parse(result);
      return [
        ...agreementLines(agreement),
        `${name} version ${version}, digest ${digest.slice(0, 12)}…`,
        ...(alias === undefined ? [] : [`${alias} now points at it`]),
        "",
      ].join("\n");
    }
    case "check": {
      const { agreement, columns = {}, class_labels: labels } = checked.parse(result);
      const rows = Object.entries(columns).map(([name, { kind, nullable }]) => [
        name,
        nullable ? `${kind} or null` : kind,
      ]);
      return [
        ...agreementLines(agreement),
        ...(rows.length === 0 ? [] : [table([["column", "takes"], ...rows])]),
        ...(labels ? [`classes: ${labels.map((each) => JSON.stringify(each)).join(", ")}`] : []),
        "it can be published and served; nothing was registered",
        "",
      ].join("\n");
    }
    case "list": {
      const { name, versions: found } = versions.parse(result);
      const rows = found.map((each) => [
        each.version,
        each.aliases.join(",") || "-",
        each.stage ?? "-",
        new Date(each.created).toISOString().slice(0, 16).replace("T", " "),
        each.onnx ? (each.digest ?? "").slice(0, 12) : "not by us",
        each.source ?? "-",
      ]);
      const head = ["version", "aliases", "stage", "created", "digest", "made of"];
      return `${name}\n${table([head, ...rows])}\n`;
    }
    case "promote":
    case "rollback": {
      const moved = alias.parse(result);
      const before = moved.before === null ? "" : `, before at ${moved.before}`;
      return `${moved.alias} of ${moved.name} points at version ${moved.version}${before}\n`;
    }
    case "export":
    case "import": {
      const { models } = backedUp.parse(result);
      const rows = models.flatMap(({ name, aliases, versions: each }) =>
        each.map(({ version, digest, done }) => [
          name,
          version,
          Object.keys(aliases)
            .filter((alias) => aliases[alias] === version)
            .join(",") || "-",
          digest.slice(0, 12),
          ...(done === undefined ? [] : [done]),
        ]),
      );
      const head = ["model", "version", "aliases", "digest"];
      return `${table([command === "import" ? [...head, "done"] : head, ...rows])}\n`;
    }
  }
}

function agreementLines(agreement: z.infer<typeof checked>["agreement"]): string[] {
  if (!agreement) return [];
  const { rows, agreed, disagreements } = agreement;
  const more = rows - agreed - disagreements.length;
  return [
    ...disagreements.map(
      ({ row, original, converted }) =>
        `row ${row}: ${JSON.stringify(original)} became ${JSON.stringify(converted)}`,
    ),
    ...(more > 0 ? [`and ${more} more`] : []),
    `${agreed} of ${rows} rows agree with the original`,
  ];
}

/** What replicas make of a version, for people: a table, and below it what is to be said. */
export function describeVerdict({ replicas, sentence }: Verdict): string {
  const rows = replicas.map(({ replica, version, state, since }) => [
    ...[replica, version ?? "-", since ?? "-", state],
  ]);
  const shown =
    rows.length === 0 ? "" : `${table([["replica", "version", "since", ""], ...rows])}\n`;
  return `${shown}${sentence}\n`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, k) => Math.max(...rows.map((row) => row[k]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, k) => cell.padEnd(widths[k] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
