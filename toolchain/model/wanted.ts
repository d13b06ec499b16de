/** The registered model that a stack is to serve. */
export interface Wanted {
  readonly name: string;
  readonly alias: string;
  readonly stack: string;
}

/** The name that the demonstration is published under where nobody named a model. */
const DEMONSTRATION = "iris";

/**
 * What is to be done before a stack can serve the model wanted, whose aliases the registry has;
 * undefined where it has no such model.
 */
export function judge(
  { name, alias, stack }: Wanted,
  aliases: readonly string[] | undefined,
): "served" | "demonstration" | { readonly refused: string } {
  if (aliases?.includes(alias)) return "served";
  const again = `then run \`npx pulumi up -s ${stack}\` again`;
  if (aliases !== undefined)
    return {
      refused:
        `no version of the registered model ${name} has the alias ${alias}: ` +
        `give it to one with \`npm run model -- promote <version> --name ${name} --alias ${alias} -s ${stack}\`, ${again}`,
    };
  if (name === DEMONSTRATION) return "demonstration";
  return {
    refused:
      `there is no registered model ${name} in this stack's MLflow yet: ` +
      `publish it with \`npm run model -- publish <file> --name ${name} -s ${stack}\` ` +
      `or bring a backup back with \`npm run model -- import <file> -s ${stack}\`, ${again}`,
  };
}
