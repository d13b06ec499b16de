import type { Output } from "../contract/encode.ts";
import { copyRows, elementCount, shapeText, type TensorData } from "../contract/types.ts";
import { inferResponse, readInferRequest, V2Error, type InferRequest } from "../contract/v2.ts";
import type { Exchange } from "../exchange.ts";
import type { LoadedModel } from "../model/model.ts";
import { problem, type Problem } from "../problem.ts";
import { ExchangeJob, JSON_MEDIA_TYPE, ModelOperation, rowsTogether } from "./operation.ts";

/** Protocol V2 has its own shape for errors. */
export const v2ErrorBody = ({ detail, title }: Problem): string =>
  JSON.stringify({ error: detail ?? title });

class InferJob extends ExchangeJob {
  readonly rows: number;
  readonly shape: readonly (readonly number[])[] | undefined;
  readonly whole: boolean;
  readonly #model: LoadedModel;
  readonly #request: InferRequest;
  readonly #parts: Output[][] = [];

  constructor(operation: Infer, exchange: Exchange, model: LoadedModel, request: InferRequest) {
    super(operation, exchange);
    this.rows = request.dims[0]?.[0] ?? 1;
    this.shape = model.contract.shareable ? undefined : request.dims.map((dims) => dims.slice(1));
    this.whole =
      rowsTogether(model) !== undefined || (!model.rowwise && model.contract.rowsPerRun === "any");
    this.#model = model;
    this.#request = request;
  }

  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void {
    copyRows(this.#request.data, from, count, into, widths, at);
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
    this.exchange.reply(200, JSON_MEDIA_TYPE, inferResponse(this.#model, this.#request, outputs));
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

/** Says that tensors follow the JSON as they are in memory: its own length, in a header of the protocol. */
const BINARY_HEADER = "inference-header-content-length";
const BINARY = problem(
  400,
  "The tensors are sent as binary data; only JSON data is served. Clients have a switch such as binary_data=False.",
);

/** `POST /v2/models/M[/versions/V]/infer`: tensors in, tensors out. */
export class Infer extends ModelOperation {
  readonly route = "/v2/models/:model/infer";
  readonly errorType = JSON_MEDIA_TYPE;
  readonly invalid = 400;

  errorBody(error: Problem): string {
    return v2ErrorBody(error);
  }

  override handle(body: Buffer, exchange: Exchange): void {
    if (exchange.header(BINARY_HEADER) === undefined) super.handle(body, exchange);
    else exchange.refuse(BINARY);
  }

  protected read(model: LoadedModel, body: unknown, exchange: Exchange): InferJob | Problem {
    let request: InferRequest;
    try {
      request = readInferRequest(model.contract, body, this.services.maxBody);
    } catch (error) {
      if (error instanceof V2Error) return problem(400, error.message);
      throw error;
    }
    const job = new InferJob(this, exchange, model, request);
    const together = rowsTogether(model);
    if (together !== undefined && job.rows !== together) {
      const wanted = model.contract.inputs.map(({ shape }) => shapeText(shape)).join(", ");
      return problem(
        400,
        `The tensors have ${job.rows} rows; the model answers ${together} as one, so their shape must be ${wanted}.`,
      );
    }
    return this.rowsProblem("The tensors have", job.rows) ?? job;
  }
}
