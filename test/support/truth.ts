/** What a classifier predicts in the hands of whoever trained it: for each row a label and probabilities. */
export interface Truth {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly labels: readonly unknown[];
  readonly classes: readonly unknown[];
  /** In the order of the classes. */
  readonly probabilities: readonly (readonly number[])[];
}

/** {@link disagreements} of what a service says now. */
export async function differences(apiUrl: string, truth: Truth): Promise<string[]> {
  const reply = await fetch(`${apiUrl}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(truth.rows),
  });
  return disagreements({ status: reply.status, text: await reply.text() }, truth);
}

/**
 * A sentence for each row that `/predict` answers otherwise than the original: another label, or one of
 * another type, or a probability of a class that is further off than sums in another order make it. Pure.
 */
export function disagreements(
  { status, text }: { readonly status: number; readonly text: string },
  truth: Truth,
): string[] {
  if (status !== 200) return [`${status} ${text}`];
  const answers = JSON.parse(text) as readonly unknown[];
  if (answers.length !== truth.rows.length) return [`${answers.length} answers`];
  return answers.flatMap((answer, row) => {
    const { label, probabilities } = answer as { label?: unknown; probabilities?: unknown };
    const right = Object.fromEntries(
      truth.classes.map((name, i) => [String(name), truth.probabilities[row]?.[i]]),
    );
    return label === truth.labels[row] && near(probabilities, right)
      ? []
      : [
          `row ${row}: ${JSON.stringify(answer)}, not ${JSON.stringify(truth.labels[row])} ${JSON.stringify(right)}`,
        ];
  });
}

function near(given: unknown, right: Readonly<Record<string, number | undefined>>): boolean {
  if (typeof given !== "object" || given === null) return false;
  const names = Object.keys(given);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => {
      const [a, b] = [(given as Record<string, unknown>)[name], right[name]];
      return typeof a === "number" && b !== undefined && Math.abs(a - b) < 1e-5;
    })
  );
}
