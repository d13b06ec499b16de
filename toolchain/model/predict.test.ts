import { createServer, type ServerResponse } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { batches, csvWriter, pauseOf, predictFile } from "./predict.ts";

test("rows go a thousand at a time, and fewer where they are long", () => {
  const row = '{"a":1}';
  expect(batches(Array<string>(2500).fill(row)).map(({ length }) => length)).toEqual([
    1000, 1000, 500,
  ]);
  const long = `"${"x".repeat(400_000)}"`;
  expect(batches([row, long, long, long, row]).map(({ length }) => length)).toEqual([3, 2]);
  expect(batches(["x".repeat(2_000_000), row]).map(({ length }) => length)).toEqual([1, 1]);
});

test("results are a table, with what is within them under names with dots", () => {
  const write = csvWriter();
  expect(write([{ label: 'a "b", c', probabilities: { x: 0.25, "y.z": 1 } }])).toBe(
    'label,probabilities.x,probabilities.y.z\n"a ""b"", c",0.25,1\n',
  );
  expect(write([{ label: true, probabilities: { "y.z": 0 } }])).toBe("true,,0\n");
  expect(csvWriter()(["", "a"])).toBe('prediction\n""\na\n');
  expect(csvWriter()([1.5, null])).toBe("prediction\n1.5\nnull\n");
  const odd = csvWriter();
  expect(odd([JSON.parse('{"constructor":1,"__proto__":2}'), { constructor: 3 }])).toBe(
    "constructor,__proto__\n1,2\n3,\n",
  );
});

test("what a later result has and the first had not is no table", () => {
  const write = csvWriter();
  write([{ label: 1 }]);
  expect(() => write([{ label: 2 }, { label: 3, warning: "old" }])).toThrow(
    /row 3 has "warning".*--json/,
  );
});

test("a service is waited for as it asks, and not for long", () => {
  expect(
    ["0", "2.5", "3600", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "", null].map(pauseOf),
  ).toEqual([0, 2.5, 30, 0, 1, 1, 1]);
});

const folder = mkdtempSync(join(tmpdir(), "predict-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Predicts `age` + 1 of at most `most` rows at once, and is busy at the first request. */
async function service(most: number) {
  const sizes: number[] = [];
  let busy = true;
  const server = createServer((incoming, outgoing) => {
    const answer = (status: number, body: unknown) =>
      outgoing.writeHead(status, { "retry-after": "0" }).end(JSON.stringify(body));
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      if (incoming.url === "/openapi.json") return answer(200, document);
      if (busy) {
        busy = false;
        return answer(503, {});
      }
      const rows = JSON.parse(text) as { age: number }[];
      if (rows.length > most) return answer(413, { detail: "The array has too many rows." });
      const old = rows.findIndex(({ age }) => age > 900);
      if (old >= 0) return answer(422, { detail: `${old}/age is too old.` });
      sizes.push(rows.length);
      return answer(
        200,
        rows.map(({ age }) => ({ value: age + 1 })),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, sizes, close: () => server.close() };
}
const row = { type: "object", properties: { age: { type: "integer" } }, required: ["age"] };
const document = {
  paths: {
    "/predict": { post: { requestBody: { content: { "application/json": { schema: row } } } } },
  },
};

const predicted = async (file: string, url: string) => {
  const found: unknown[] = [];
  for await (const results of predictFile(file, url)) found.push(...results);
  return found;
};

test("a file's rows are predicted in their order, in halves where a request is too large", async () => {
  const target = await service(400);
  const file = join(folder, "rows.csv");
  const ages = Array.from({ length: 900 }, (_, i) => i);
  writeFileSync(file, `age\n${ages.join("\n")}\n`);
  expect(await predicted(file, target.url)).toEqual(ages.map((age) => ({ value: age + 1 })));
  expect(target.sizes).toEqual([225, 225, 225, 225]);
  target.close();
});

test("a row that is refused is named by its place in the file", async () => {
  const target = await service(1000);
  const file = join(folder, "rows.ndjson");
  const ages = Array.from({ length: 1200 }, (_, i) => (i === 1100 ? 999 : 1));
  writeFileSync(file, ages.map((age) => `{"age":${age}}\n`).join(""));
  await expect(predicted(file, target.url)).rejects.toThrow(
    "refused rows 1001 to 1200 with 422: row 1101: age is too old.",
  );
  target.close();
});

test("a service that is not there is one sentence", async () => {
  const file = join(folder, "one.json");
  writeFileSync(file, '[{"age":1}]');
  await expect(predicted(file, "http://127.0.0.1:9")).rejects.toThrow(
    "http://127.0.0.1:9/openapi.json says nothing of what the model takes",
  );
});

/** A service whose every prediction is answered so. */
async function answering(
  answer: (outgoing: ServerResponse, rows: unknown[]) => void,
  schema: unknown,
) {
  const content = { "application/json": { schema } };
  const described = { paths: { "/predict": { post: { requestBody: { content } } } } };
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === "/openapi.json") return outgoing.end(JSON.stringify(described));
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      answer(outgoing, JSON.parse(text) as unknown[]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => server.close() };
}

const json = (status: number, body: unknown) => (outgoing: ServerResponse) =>
  outgoing.writeHead(status).end(JSON.stringify(body));

test.each<
  [what: string, answer: (outgoing: ServerResponse, rows: unknown[]) => void, words: RegExp]
>([
  ["fewer results than rows", json(200, [1, 2]), /rows 1 to 3 with 2 results: which is whose/],
  ["no array", json(200, { predictions: [1, 2, 3] }), /no array of results: \{"predictions"/],
  [
    "a refusal of FastAPI's form",
    json(422, { detail: [{ loc: ["body", 0, "age"], msg: "bad" }] }),
    /refused rows 1 to 3 with 422: \{"detail":\[\{"loc"/,
  ],
  ["a problem without a sentence", json(500, { detail: null }), /with 500: \{"detail":null\}/],
  ["a list", json(500, ["x"]), /with 500: \["x"\]/],
  ["nothing", (outgoing) => outgoing.destroy(), /did not answer rows 1 to 3: /],
])("%s ends in a sentence that says which rows", async (_, answer, words) => {
  const target = await answering(answer, row);
  const file = join(folder, "three.csv");
  writeFileSync(file, "age\n1\n2\n3\n");
  await expect(predicted(file, target.url)).rejects.toThrow(words);
  target.close();
});

test("rows are sent as rows, whether or not a request takes them one by one", async () => {
  let seen: unknown;
  const answer = (outgoing: ServerResponse, rows: unknown[]) => {
    seen = rows;
    outgoing.end(JSON.stringify(rows));
  };
  const target = await answering(answer, { type: "array", items: row });
  const file = join(folder, "list.csv");
  writeFileSync(file, "age\n1\n2\n");
  await predicted(file, target.url);
  expect(seen).toEqual([{ age: 1 }, { age: 2 }]);
  const nested = join(folder, "nested.ndjson");
  writeFileSync(nested, '{"age":1}\n[{"age":2}]\n');
  await expect(predicted(nested, target.url)).rejects.toThrow(/row 2, is no object of columns: \[/);
  target.close();
});
