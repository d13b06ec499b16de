import type { Failure, Job, Refusal } from "../batch.ts";
import type { Output } from "../contract/encode.ts";
import type { Row, TensorData } from "../contract/types.ts";
import type { Exchange, Operation, Services } from "../exchange.ts";
import { parseJson } from "../json.ts";
import type { LoadedModel } from "../model/model.ts";
import { FAILED, problem, problemBody, PROBLEM_TYPE, type Problem } from "../problem.ts";

export const JSON_TYPE = "application/json";

export const NO_MODEL = problem(503, "No model is loaded yet.", {
  headers: { "Retry-After": "1" },
});

export const refusalProblem = ({ reason, retryAfter }: Refusal): Problem =>
  problem(
    503,
    reason === "full"
      ? "Too many rows wait already."
      : "The request would wait longer than the deadline allows.",
    { headers: { "Retry-After": String(retryAfter) } },
  );

/** What a failed job means to its caller; the reason itself goes to the log only. */
export function failureProblem(failure: Failure, services: Services, requestId: string): Problem {
  if (failure.reason === "late") {
    return problem(503, "The request waited longer than the deadline allows.", {
      headers: { "Retry-After": String(failure.retryAfter) },
    });
  }
  services.log.warn({ err: failure.error, requestId }, "the model did not give a result");
  return failure.reason === "model" && !/memory|alloc/i.test(String(failure.error))
    ? problem(422, "The model cannot compute a result for this input.")
    : FAILED;
}

class PredictJob implements Job {
  readonly rows: number;
  readonly arrivedAt: number;
  readonly shape: readonly (readonly number[])[] | undefined;
  readonly whole = false;
  readonly #model: LoadedModel;
  readonly #values: readonly Row[];
  readonly #single: boolean;
  readonly #exchange: Exchange;
  readonly #services: Services;
  #text = "";

  constructor(
    model: LoadedModel,
    values: readonly Row[],
    single: boolean,
    exchange: Exchange,
    services: Services,
  ) {
    this.rows = values.length;
    this.arrivedAt = exchange.arrivedAt;
    this.shape = model.contract.shareable
      ? undefined
      : model.decoder.rowShape(model.contract, values[0] as Row);
    this.#model = model;
    this.#values = values;
    this.#single = single;
    this.#exchange = exchange;
    this.#services = services;
  }

  abandoned(): boolean {
    return this.#exchange.abandoned();
  }

  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void {
    this.#model.decoder.write(this.#values, from, count, into, widths, at);
  }

  take(outputs: readonly Output[], at: number, count: number): void {
    const { encoder } = this.#model;
    if (this.#single) {
      this.#text = encoder.row(outputs, at);
      return;
    }
    for (let i = 0; i < count; i++) {
      this.#text += (this.#text === "" ? "[" : ",") + encoder.row(outputs, at + i);
    }
  }

  finish(): void {
    this.#exchange.reply(200, JSON_TYPE, this.#single ? this.#text : `${this.#text}]`);
  }

  fail(failure: Failure): void {
    this.#exchange.refuse(failureProblem(failure, this.#services, this.#exchange.requestId));
  }
}

/** `POST /predict`: one row of named features or an array of them, answered in kind. */
export class Predict implements Operation {
  readonly route = "/predict";
  readonly errorType = PROBLEM_TYPE;
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  errorBody(error: Problem): string {
    return problemBody(error);
  }

  handle(body: Buffer, exchange: Exchange): void {
    const services = this.#services;
    const served = services.slot.current;
    if (!served) {
      services.metrics.dropped("no_model");
      exchange.refuse(NO_MODEL);
      return;
    }
    const { model, batcher } = served;
    // Refusing comes before reading: under overload it has to cost next to nothing.
    const early = batcher.refusal(1);
    if (early) {
      this.#turnAway(early, exchange);
      return;
    }
    const parsed = parseJson(
      body,
      model.contract.fields.some(({ type }) => type === "int64"),
    );
    if ("problem" in parsed) {
      exchange.refuse(parsed.problem);
      return;
    }
    const single = !Array.isArray(parsed.value);
    const rows = single ? [parsed.value] : (parsed.value as unknown[]);
    const wrong = this.#countProblem(rows.length) ?? this.#fieldProblem(model, rows, single);
    if (wrong) {
      exchange.refuse(wrong);
      return;
    }
    const refusal = batcher.submit(
      new PredictJob(model, rows as Row[], single, exchange, services),
    );
    if (refusal) this.#turnAway(refusal, exchange);
  }

  #turnAway(refusal: Refusal, exchange: Exchange): void {
    this.#services.metrics.dropped(refusal.reason);
    exchange.refuse(refusalProblem(refusal));
  }

  #countProblem(rows: number): Problem | undefined {
    const { maxRows } = this.#services;
    if (rows > maxRows) {
      return problem(
        413,
        `The array has ${rows} rows; at most ${maxRows} are allowed in one request.`,
      );
    }
    return rows === 0 ? problem(422, "The array is empty; it needs at least one row.") : undefined;
  }

  #fieldProblem(
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
}
