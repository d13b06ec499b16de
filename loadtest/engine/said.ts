// What a server said of a request that it refused, in a line that people can read.

/** Characters of it that are kept. */
const longest = 200;
/** Errors of single fields that are named. */
const mostErrors = 3;

/** One line, without what would move a terminal's cursor or turn its text around. */
const line = (text: string): string =>
  text
    .replace(/[\p{C}\s]+/gu, " ")
    .trim()
    .slice(0, longest)
    .trim();

/** The body of a refusal in words: a problem's title, detail and first errors, or its text. "" when it is empty. */
export function saidBy(body: Buffer): string {
  const text = body.toString("utf8");
  return line(wordsOf(text) ?? text);
}

function wordsOf(text: string): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { title, detail, errors, error, message } = json as Record<string, unknown>;
  const words = [title, detail, error, message].filter((one) => typeof one === "string");
  if (words.length === 0) return undefined;
  const said = words.join(": ");
  const fields = (Array.isArray(errors) ? (errors as unknown[]) : [])
    .slice(0, mostErrors)
    .flatMap((one) => fieldError(one, said));
  return fields.length === 0 ? said : [said.replace(/\.$/, ""), ...fields].join("; ");
}

/** "/age is missing", of a problem's errors; nothing where the problem itself said so. */
function fieldError(one: unknown, said: string): string[] {
  if (typeof one !== "object" || one === null) return [];
  const { pointer, detail } = one as Record<string, unknown>;
  if (typeof detail !== "string" || said.includes(detail)) return [];
  return [typeof pointer === "string" && pointer !== "" ? `${pointer} ${detail}` : detail];
}
