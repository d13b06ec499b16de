/**
 * Something from the registry or the artifact store that cannot be used.
 * `permanent` says that asking the same again at once is of no use.
 */
export class RegistryError extends Error {
  override name = "RegistryError";
  readonly permanent: boolean;

  constructor(message: string, options: ErrorOptions & { readonly permanent?: boolean } = {}) {
    super(message, options);
    this.permanent = options.permanent ?? false;
  }
}

/** The words of an error, also of the many errors of one attempt to connect. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
