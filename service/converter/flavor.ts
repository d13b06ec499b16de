import { parse } from "yaml";

/** What becomes of a model: handed on as it is, converted, or refused for what it is. */
export type Flavor = "onnx" | "sklearn" | { readonly other: readonly string[] };

/** What `MLmodel` says the model beside it is. Throws Error where that cannot be read. Pure. */
export function flavorOf(mlmodel: string): Flavor {
  const root = parse(mlmodel) as { flavors?: Record<string, unknown> } | null;
  const flavors = Object.keys(root?.flavors ?? {});
  return (
    (["onnx", "sklearn"] as const).find((each) => flavors.includes(each)) ?? { other: flavors }
  );
}

/** Why a model of other flavors is not served. */
export function unserved(flavors: readonly string[]): string {
  // Which MLflow writes beside nearly every other.
  const own = flavors.filter((each) => each !== "python_function");
  const named = (own.length > 0 ? own : flavors).join(" and ");
  return `it is a model of ${named || "no flavor that is known"}, and what is served are onnx and sklearn`;
}
