// npm run trust: proofs too long for `npm test` that the stack harms nothing, one by name.
import "../support/environment.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import { readCommand, UsageError } from "../../toolchain/command.mjs";
import { messageOf } from "../../toolchain/errors.mjs";
import { docker } from "../clone.ts";
import { attack, attacked } from "./attack/campaign.ts";
import { attackPage, isHeld, summary as attackSummary } from "./attack/table.ts";
import { isHarmless, killPage, summary } from "./kill-table.ts";
import { freshStack, kill } from "./kill.ts";

interface Options {
  readonly seed: number;
  readonly moments: number;
  /** Part of each attack that is tried. */
  readonly scale: number;
  /** Attacks by name; all where none is named. */
  readonly only: readonly string[];
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
  attack: {
    about:
      "attacks by the published port and inside: nobody else loses a request, nothing restarts",
    async prove({ seed, scale, only }) {
      tell("bringing up a stack of its own …");
      const { clone, apiUrl } = await freshStack("attack", attacked);
      try {
        const names = only.length === 0 ? {} : { names: only };
        const result = await attack(clone, apiUrl, { scale, seed, ...names }, tell);
        return {
          holds: result.suffered.every(isHeld),
          summary: attackSummary(result),
          page: attackPage(result, here()),
          json: result,
        };
      } finally {
        clone.remove();
      }
    },
  },
};

const help = `npm run trust -- PART [flags]

Proofs too long for npm test, each on a stack of its own beside whatever else the engine has.

${Object.entries(parts)
  .map(([name, { about }]) => `  ${name}   ${about}`)
  .join("\n")}

  --moments N   kill: how many (20)
  --seed N      which moments, or hostile requests (1)
  --scale X     attack: part of each that is tried, up to 1 (1)
  --only NAME   attack: only this one; may be given several times
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

/** @throws UsageError naming the flag and what it was given */
function share(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) {
    throw new UsageError(`--${flag} is ${text}, and has to be a number above 0 and up to 1.`);
  }
  return value;
}

async function main(): Promise<void> {
  const { values, positionals } = readCommand("trust", {
    allowPositionals: true,
    options: {
      moments: { type: "string", default: "20" },
      seed: { type: "string", default: "1" },
      scale: { type: "string", default: "1" },
      only: { type: "string", multiple: true, default: [] },
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
    scale: share("scale", values.scale),
    only: values.only,
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
