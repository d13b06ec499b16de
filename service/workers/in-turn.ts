/** Has one process after another load a model; settles with why one will not serve it, if one will not. */
export async function firstRefusal(
  prepare: Iterable<() => Promise<string | undefined>>,
): Promise<string | undefined> {
  // A process that loads answers nobody meanwhile: the others of its replica have to.
  for (const one of prepare) {
    const refusal = await one();
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
