import type { Failure, Job, Rejection } from "../batch.ts";
import type { Output } from "../contract/encode.ts";
import type { TensorData } from "../contract/types.ts";
import type { Exchange, Operation, Services } from "../exchange.ts";
import { parseJson } from "../json.ts";
import type { LoadedModel } from "../model/model.ts";
import { FAILED, problem, type Problem } from "../problem.ts";

export const JSON_MEDIA_TYPE = "application/json";

export const NO_MODEL = problem(503, "No model is loaded yet.", {
  headers: { "Retry-After": "1" },
});

/** Something that the model in service answers, in one protocol or another. */
export abstract class ModelOperation implements Operation {
  abstract readonly route: string;
  abstract readonly errorType: string;
  /** Status of what the model does not take. */
  abstract readonly invalid: number;
  readonly services: Services;

  constructor(services: Services) {
    this.services = services;
  }

  abstract errorBody(error: Problem): string;

  /** The job of a body that needs no parser of all of JSON; undefined for any other. */
  protected readUsual?(model: LoadedModel, body: Buffer, exchange: Exchange): Job | undefined;

  /** What a parsed body asks for, or what is wrong with it. */
  protected abstract read(model: LoadedModel, body: unknown, exchange: Exchange): Job | Problem;

  handle(body: Buffer, exchange: Exchange): void {
    const { slot, metrics } = this.services;
    const served = slot.current;
    if (!served) {
      metrics.dropped("no_model");
      exchange.refuse(NO_MODEL);
      return;
    }
    const { model, batcher } = served;
    // Refusing comes before reading: under overload it has to cost next to nothing.
    const early = batcher.rejection(1);
    if (early) {
      this.#reject(early, exchange);
      return;
    }
    const job = this.readUsual?.(model, body, exchange) ?? this.#parse(model, body, exchange);
    if ("status" in job) {
      exchange.refuse(job);
      return;
    }
    const late = batcher.submit(job);
    if (late) this.#reject(late, exchange);
  }

  #parse(model: LoadedModel, body: Buffer, exchange: Exchange): Job | Problem {
    const parsed = parseJson(body, model.decoder.exact);
    return "problem" in parsed ? parsed.problem : this.read(model, parsed.value, exchange);
  }

  /** 413 where `what` has more rows than one request may. */
  protected rowsProblem(what: string, rows: number): Problem | undefined {
    const { maxRows } = this.services;
    return rows > maxRows
      ? problem(413, `${what} ${rows} rows; at most ${maxRows} are allowed in one request.`)
      : undefined;
  }

  #reject({ reason, retryAfter }: Rejection, exchange: Exchange): void {
    this.services.metrics.dropped(reason);
    const detail =
      reason === "full"
        ? "Too many rows wait already."
        : "The request would wait longer than the deadline allows.";
    exchange.refuse(problem(503, detail, { headers: { "Retry-After": String(retryAfter) } }));
  }
}

/** The job of a request: what it has of its exchange, whatever is in it. */
export abstract class ExchangeJob implements Job {
  abstract readonly rows: number;
  abstract readonly shape: readonly (readonly number[])[] | undefined;
  abstract readonly whole: boolean;
  readonly arrivedAt: number;
  protected readonly exchange: Exchange;
  readonly #operation: ModelOperation;

  constructor(operation: ModelOperation, exchange: Exchange) {
    this.arrivedAt = exchange.arrivedAt;
    this.exchange = exchange;
    this.#operation = operation;
  }

  abstract write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void;
  abstract take(outputs: readonly Output[], at: number, count: number): void;
  abstract finish(): void;

  abandoned(): boolean {
    return this.exchange.abandoned();
  }

  drop(): void {
    this.exchange.drop();
  }

  /** Tells the caller what it means to them; the reason itself goes to the log only. */
  fail(failure: Failure): void {
    const { exchange } = this;
    const { services, invalid } = this.#operation;
    if (failure.reason === "late") {
      const headers = { "Retry-After": String(failure.retryAfter) };
      exchange.refuse(
        problem(503, "The request waited longer than the deadline allows.", { headers }),
      );
      return;
    }
    const { requestId } = exchange;
    services.log.warn({ err: failure.error, requestId }, "the model did not give a result");
    exchange.refuse(
      failure.reason === "model" && !/memory|alloc/i.test(String(failure.error))
        ? problem(invalid, "The model cannot compute a result for this input.")
        : FAILED,
    );
  }
}

/**
 * How many rows have to come together, and in protocol V2: of a model whose runs take so many and that
 * has no answer for each of them. Undefined for all others.
 */
export const rowsTogether = ({ rowwise, contract }: LoadedModel): number | undefined =>
  rowwise || contract.rowsPerRun === "any" || contract.rowsPerRun === 1
    ? undefined
    : contract.rowsPerRun;
