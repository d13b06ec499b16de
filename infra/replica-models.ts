/** A model, and how many replicas serve it. */
export interface ModelStatus {
  readonly name: string;
  readonly version: string;
  readonly replicas: number;
  /** The version that the registry points at, where they did not take it. */
  readonly refused: { readonly version: string; readonly reason: string } | undefined;
}

/** What replicas serve, by their answers on `/model`; what is no such answer is left out. Pure. */
export function modelStatus(answers: readonly string[]): ModelStatus[] {
  const models = answers.flatMap((answer) => {
    try {
      const said = JSON.parse(answer) as Partial<ModelStatus>;
      if (typeof said.name !== "string") return [];
      const { refused } = said;
      return [
        {
          name: said.name,
          version: String(said.version),
          refused: refused && { version: refused.version, reason: refused.reason },
        },
      ];
    } catch {
      return [];
    }
  });
  const alike = Map.groupBy(models, (model) => JSON.stringify(model));
  return [...alike.values()].flatMap(([first, ...rest]) =>
    first === undefined ? [] : [{ ...first, replicas: rest.length + 1 }],
  );
}
