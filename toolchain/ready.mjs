/** What every command says before set-up. */
export const notSetUp = "error: this clone is not set up yet: run `npm run setup` first.";

/**
 * Whether an import failed because an npm package is missing: nothing of the importer ran then.
 *
 * @param {unknown} error
 */
export const needsSetup = (error) =>
  error instanceof Error &&
  "code" in error &&
  error.code === "ERR_MODULE_NOT_FOUND" &&
  error.message.startsWith("Cannot find package ");
