/**
 * Something from the registry or the artifact store that cannot be used.
 * `permanent` says that asking the same again at once is of no use.
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

  /** Whoever asks is not allowed to, which says nothing about what was asked for. */
  get denied(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** The words of an error, also of the many errors of one attempt to connect. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
