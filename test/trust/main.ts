// npm run trust: proofs too long for `npm test` that the stack harms nothing, one by name.
import "../support/environment.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import { readCommand, UsageError } from "../../toolchain/command.mjs";
import { messageOf } from "../../toolchain/errors.mjs";
import { docker } from "../clone.ts";
import { isHarmless, killPage, summary } from "./kill-table.ts";
import { kill } from "./kill.ts";

interface Options {
  readonly seed: number;
  readonly moments: number;
}

interface Proof {
  readonly holds: boolean;
  readonly summary: string;
  /** Markdown. */
  readonly page: string;
  readonly json: unknown;
}

interface Part {
  readonly about: string;
  prove(options: Options): Promise<Proof>;
}

const tell = (line: string): void => {
  console.error(line);
};

const parts: Readonly<Record<string, Part>> = {
  kill: {
    about:
      "`kill -9` of `up` at seeded moments under load: no request is lost, the next `up` converges",
    async prove({ seed, moments }) {
      const campaign = await kill(seed, moments, tell);
      return {
        holds: campaign.outcomes.every(isHarmless),
        summary: summary(campaign),
        page: killPage(campaign, here()),
        json: campaign,
      };
    },
  },
};

const help = `npm run trust -- PART [flags]

Proofs too long for npm test, each on a stack of its own beside whatever else the engine has.

${Object.entries(parts)
  .map(([name, { about }]) => `  ${name}   ${about}`)
  .join("\n")}

  --moments N   how many (20)
  --seed N      which (1)
  --out FILE    writes the table there, as Markdown
  --json        prints all that was seen as JSON, and its progress on the other stream
  --help

The exit code is 1 where something was lost or did not converge.
`;

/** When and on what this is run. */
function here(): string {
  const date = new Date().toISOString().slice(0, 10);
  const engine = docker("version", "--format", "{{.Server.Version}}");
  const memory = Math.round(totalmem() / 1024 ** 3);
  const cores = cpus();
  return `${date}, ${cores.length} cores of ${cores[0]?.model.trim() ?? "an unknown kind"}, ${memory} GB, Docker ${engine}.`;
}

/** @throws UsageError naming the flag and what it was given */
function whole(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least || text.trim() === "") {
    throw new UsageError(`--${flag} is ${text}, and has to be a whole number from ${least} on.`);
  }
  return value;
}

async function main(): Promise<void> {
  const { values, positionals } = readCommand("trust", {
    allowPositionals: true,
    options: {
      moments: { type: "string", default: "20" },
      seed: { type: "string", default: "1" },
      out: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const [name, ...others] = positionals;
  const part = name !== undefined && Object.hasOwn(parts, name) ? parts[name] : undefined;
  if (part === undefined || others.length > 0) {
    const given =
      positionals.length === 0 ? "No part is named" : `There is no part ${positionals.join(" ")}`;
    throw new UsageError(`${given}: npm run trust -- ${Object.keys(parts).join(" | ")}.`);
  }
  const proof = await part.prove({
    seed: whole("seed", values.seed, 0),
    moments: whole("moments", values.moments, 1),
  });
  if (values.out !== undefined) {
    const file = resolve(process.env["INIT_CWD"] ?? ".", values.out);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, proof.page);
  }
  process.stdout.write(values.json ? `${JSON.stringify(proof.json, null, 2)}\n` : proof.page);
  tell(proof.summary);
  process.exitCode = proof.holds ? 0 : 1;
}

try {
  await main();
} catch (error) {
  tell(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
