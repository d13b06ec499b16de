/**
 * Something from the registry or the artifact store that cannot be used.
 * `permanent` says that asking the same again at once is of no use; with a `status` it is what a server
 * says now, which may change, and without one it is the version's own fault.
 */
export class RegistryError extends Error {
  override name = "RegistryError";
  readonly permanent: boolean;
  /** HTTP's word for it, where a server said it. */
  readonly status: number | undefined;

  constructor(
    message: string,
    options: ErrorOptions & { readonly permanent?: boolean; readonly status?: number } = {},
  ) {
    super(message, options);
    this.permanent = options.permanent ?? false;
    this.status = options.status;
  }
}

/** The words of an error, also of the many errors of one attempt to connect. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
