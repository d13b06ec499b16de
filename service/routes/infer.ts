import type { Failure, Job, Refusal } from "../batch.ts";
import { parseJson } from "../json.ts";
import type { Output } from "../contract/encode.ts";
import { elementCount, type TensorData } from "../contract/types.ts";
import { inferResponse, readInferRequest, V2Error, type InferRequest } from "../contract/v2.ts";
import type { Exchange, Operation, Services } from "../exchange.ts";
import type { LoadedModel } from "../model/model.ts";
import { problem, type Problem } from "../problem.ts";
import { failureProblem, JSON_TYPE, NO_MODEL, refusalProblem } from "./predict.ts";

/** Protocol V2 has its own shape for errors. */
export const v2ErrorBody = ({ detail, title }: Problem): string =>
  JSON.stringify({ error: detail ?? title });

class InferJob implements Job {
  readonly rows: number;
  readonly arrivedAt: number;
  readonly shape: readonly (readonly number[])[] | undefined;
  readonly whole: boolean;
  readonly #model: LoadedModel;
  readonly #request: InferRequest;
  readonly #exchange: Exchange;
  readonly #services: Services;
  readonly #parts: Output[][] = [];

  constructor(model: LoadedModel, request: InferRequest, exchange: Exchange, services: Services) {
    this.rows = request.dims[0]?.[0] ?? 1;
    this.arrivedAt = exchange.arrivedAt;
    this.shape = model.contract.shareable ? undefined : request.dims.map((dims) => dims.slice(1));
    this.whole = !model.rowwise && model.contract.rowsPerRun === "any";
    this.#model = model;
    this.#request = request;
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
    this.#request.data.forEach((data, i) => {
      const width = widths[i] ?? 1;
      const target = into[i] as TensorData;
      for (let k = 0; k < count * width; k++) {
        (target as string[])[at * width + k] = (data as string[])[from * width + k] as string;
      }
    });
  }

  take(outputs: readonly Output[], at: number, count: number): void {
    this.#parts.push(
      outputs.map(({ data, dims }) => {
        if (this.whole) return { data, dims };
        const inner = dims.slice(1);
        const width = elementCount(inner);
        return { data: data.slice(at * width, (at + count) * width), dims: [count, ...inner] };
      }),
    );
  }

  finish(): void {
    const [first = []] = this.#parts;
    const outputs =
      this.#parts.length === 1
        ? first
        : first.map((_, i) => joined(this.#parts.map((part) => part[i] as Output)));
    this.#exchange.reply(200, JSON_TYPE, inferResponse(this.#model, this.#request, outputs));
  }

  fail(failure: Failure): void {
    const { status, ...rest } = failureProblem(failure, this.#services, this.#exchange.requestId);
    this.#exchange.refuse({ ...rest, status: status === 422 ? 400 : status });
  }
}

/** Results of several runs as one tensor. */
function joined(parts: readonly Output[]): Output {
  const [first] = parts as [Output];
  const dims = [parts.reduce((rows, { dims: [n] }) => rows + (n ?? 0), 0), ...first.dims.slice(1)];
  if (Array.isArray(first.data))
    return { data: parts.flatMap(({ data }) => data as string[]), dims };
  const Storage = first.data.constructor as new (length: number) => Float32Array;
  const data = new Storage(elementCount(dims));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { data, dims };
}

/** `POST /v2/models/M[/versions/V]/infer`: tensors in, tensors out. */
export class Infer implements Operation {
  readonly route = "/v2/models/:model/infer";
  readonly errorType = JSON_TYPE;
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  errorBody(error: Problem): string {
    return v2ErrorBody(error);
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
    const early = batcher.refusal(1);
    if (early) {
      this.#turnAway(early, exchange);
      return;
    }
    const parsed = parseJson(
      body,
      model.contract.inputs.some(({ type }) => type === "int64"),
    );
    if ("problem" in parsed) {
      exchange.refuse(parsed.problem);
      return;
    }
    let request: InferRequest;
    try {
      request = readInferRequest(model.contract, parsed.value, services.maxBody);
    } catch (error) {
      if (!(error instanceof V2Error)) throw error;
      exchange.refuse(problem(400, error.message));
      return;
    }
    const job = new InferJob(model, request, exchange, services);
    if (job.rows > services.maxRows) {
      exchange.refuse(
        problem(
          413,
          `The tensors have ${job.rows} rows; at most ${services.maxRows} are allowed in one request.`,
        ),
      );
      return;
    }
    const refusal = batcher.submit(job);
    if (refusal) this.#turnAway(refusal, exchange);
  }

  #turnAway(refusal: Refusal, exchange: Exchange): void {
    this.#services.metrics.dropped(refusal.reason);
    exchange.refuse(refusalProblem(refusal));
  }
}
