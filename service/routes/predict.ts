import type { Output } from "../contract/encode.ts";
import type { Rows } from "../contract/reader.ts";
import type { Row, TensorData } from "../contract/types.ts";
import type { Exchange } from "../exchange.ts";
import type { LoadedModel } from "../model/model.ts";
import { problem, problemBody, PROBLEM_TYPE, type Problem } from "../problem.ts";
import { ExchangeJob, JSON_MEDIA_TYPE, ModelOperation, rowsTogether } from "./operation.ts";

class PredictJob extends ExchangeJob {
  readonly rows: number;
  readonly shape: readonly (readonly number[])[] | undefined;
  readonly whole = false;
  readonly #model: LoadedModel;
  readonly #rows: Rows;
  #text = "";
  #taken = 0;

  constructor(operation: Predict, exchange: Exchange, model: LoadedModel, rows: Rows) {
    super(operation, exchange);
    this.rows = rows.count;
    this.shape = rows.shape;
    this.#model = model;
    this.#rows = rows;
  }

  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void {
    this.#rows.write(from, count, into, widths, at);
  }

  take(outputs: readonly Output[], at: number, count: number): void {
    const { single } = this.#rows;
    const before = single ? "" : this.#taken === 0 ? "[" : ",";
    this.#taken += count;
    const behind = !single && this.#taken === this.rows ? "]" : "";
    this.#text += this.#model.encoder.rows(outputs, at, count, before, behind);
  }

  finish(): void {
    this.exchange.reply(200, JSON_MEDIA_TYPE, this.#text);
  }
}

/** `POST /predict`: one row of named features or an array of them, answered in kind. */
export class Predict extends ModelOperation {
  readonly route = "/predict";
  readonly errorType = PROBLEM_TYPE;
  readonly invalid = 422;

  errorBody(error: Problem): string {
    return problemBody(error);
  }

  protected override readUsual(
    model: LoadedModel,
    body: Buffer,
    exchange: Exchange,
  ): PredictJob | undefined {
    if (rowsTogether(model) !== undefined) return undefined;
    const rows = model.reader.read(body, this.services.maxRows);
    return rows && new PredictJob(this, exchange, model, rows);
  }

  protected read(model: LoadedModel, body: unknown, exchange: Exchange): PredictJob | Problem {
    const single = !Array.isArray(body);
    const rows = single ? [body] : (body as unknown[]);
    return (
      this.#countProblem(model, rows.length) ??
      fieldProblem(model, rows, single) ??
      new PredictJob(this, exchange, model, checkedRows(model, rows as Row[], single))
    );
  }

  #countProblem(model: LoadedModel, rows: number): Problem | undefined {
    const together = rowsTogether(model);
    if (together !== undefined) {
      return problem(
        422,
        `The model answers ${together} rows as one, so no row has a result of its own. ` +
          `POST /v2/models/${encodeURIComponent(model.name)}/infer takes ${together} rows.`,
      );
    }
    return rows === 0
      ? problem(422, "The array is empty; it needs at least one row.")
      : this.rowsProblem("The array has", rows);
  }
}

const checkedRows = (
  { contract, decoder }: LoadedModel,
  rows: readonly Row[],
  single: boolean,
): Rows => ({
  count: rows.length,
  single,
  shape: contract.shareable ? undefined : decoder.rowShape(contract, rows[0] as Row),
  write: (from, count, into, widths, at) => {
    decoder.write(rows, from, count, into, widths, at);
  },
});

function fieldProblem(
  model: LoadedModel,
  rows: readonly unknown[],
  single: boolean,
): Problem | undefined {
  const errors = model.decoder.check(rows, single);
  if (errors.length === 0) return undefined;
  const [first] = errors;
  const where = first?.pointer ? `${first.pointer.slice(1)} ` : "The body ";
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return problem(422, `${where}${first?.detail ?? ""}${more}.`, { errors });
}
