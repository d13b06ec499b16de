/**
 * Something from the registry or the artifact store that cannot be used.
 * `permanent` says that asking the same again at once is of no use; `denied`, that whoever asks is
 * not allowed to, which says nothing about what was asked for.
 */
export class RegistryError extends Error {
  override name = "RegistryError";
  readonly permanent: boolean;
  readonly denied: boolean;

  constructor(
    message: string,
    options: ErrorOptions & { readonly permanent?: boolean; readonly denied?: boolean } = {},
  ) {
    super(message, options);
    this.permanent = options.permanent ?? false;
    this.denied = options.denied ?? false;
  }
}

/** The words of an error, also of the many errors of one attempt to connect. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
