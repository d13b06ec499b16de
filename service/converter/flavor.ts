import { parseDescription } from "../contract/description.ts";

/** What becomes of a model: handed on as it is, converted, or refused for what it is. */
export type Flavor = "onnx" | "sklearn" | { readonly other: readonly string[] };

/** What `MLmodel` says the model beside it is. Throws Error where that cannot be read. Pure. */
export function flavorOf(mlmodel: string): Flavor {
  const root = parseDescription(mlmodel) as { flavors?: unknown } | null;
  const said = root?.flavors ?? {};
  if (typeof said !== "object" || Array.isArray(said)) {
    throw new Error("its MLmodel names no flavors: there a mapping is due");
  }
  const flavors = Object.keys(said);
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
