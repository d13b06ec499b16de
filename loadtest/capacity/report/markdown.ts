// The report as Markdown.
import { cost } from "../price.ts";
import type { TrialRecord } from "../record.ts";
import { limitsKey, limitsText, type Limits } from "../space.ts";
import { besides, passMaps, type ReportData } from "./data.ts";

const ms = (value: number | undefined): string =>
  value === undefined ? "–" : value.toFixed(value < 10 ? 1 : 0);
const cells = (...values: (string | number)[]): string => `| ${values.join(" | ")} |`;
const header = (...names: string[]): string =>
  `${cells(...names)}\n${cells(...names.map(() => "---"))}`;

export function verdictText({ verdict, said, cause, evidence }: TrialRecord): string {
  const why = cause === null || verdict === "void" ? "" : ` (${cause}: ${evidence ?? "?"})`;
  return `${said}${why}`.replaceAll("|", "\\|");
}

/** What became of a declared configuration here, in words. */
export function declaredText(
  { trials, notRunnable }: Pick<ReportData, "trials" | "notRunnable">,
  limits: Limits,
): string {
  const trial = trials.findLast((one) => limitsKey(one.limits) === limitsKey(limits));
  if (trial) {
    const { latency } = trial;
    const seen = latency
      ? `p50 ${latency.p50.toFixed(1)} ms, p95 ${latency.p95.toFixed(0)} ms, max ${latency.max.toFixed(0)} ms; `
      : "";
    return `**${trial.verdict}**: ${seen}${verdictText(trial)}`;
  }
  const why = notRunnable.find((one) => limitsKey(one.limits) === limitsKey(limits))?.why;
  return why === undefined ? "not run yet" : `not runnable here: ${why}`;
}

/** The answer in a few lines. */
export function summary(data: ReportData): string[] {
  const { certificate, trials, plan, slo } = data;
  const minutes = trials.reduce((sum, { took }) => sum + took.total, 0) / 60;
  const spent = `${trials.length} trials, ${minutes.toFixed(1)} min`;
  if (data.declared.length > 0) {
    const passed = trials.filter(({ verdict }) => verdict === "pass").length;
    return [
      `${passed} of ${spent}, passed; ${data.notRunnable.length} of ${data.declared.length} configurations are larger than this machine. ${data.ending}`.trim(),
    ];
  }
  if (certificate === null) {
    return [
      `No configuration was proven to hold ${plan.users} users at ${slo} (${spent}). ${data.ending}`,
    ];
  }
  const { winner, less } = certificate;
  const own = trials.filter(({ limits }) => limitsKey(limits) === limitsKey(winner));
  const last = own.findLast(({ verdict }) => verdict === "pass");
  const gateway = last?.seen.gateway;
  return [
    `**${limitsText(winner)}** holds ${plan.users} users at ${slo}: ${certificate.passesInARow} passes in a row` +
      (certificate.failures > 0 ? `, after ${certificate.failures} failed` : "") +
      `. It reserves ${certificate.cost.toFixed(4)} an hour.`,
    ...less.map(({ axis, limits, said }) =>
      limits === null ? `Less ${axis}: ${said}.` : `Less ${axis} (${limitsText(limits)}): ${said}.`,
    ),
    ...(gateway
      ? [
          `The gateway comes on top: it used ${gateway.cpu.toFixed(2)} CPU and ${Math.round(gateway.memory)} MB, ` +
            `which would cost ${cost({ cpus: gateway.cpu, memory: gateway.memory, replicas: 1 }, data.prices).toFixed(4)} an hour.`,
        ]
      : []),
    certificate.complete
      ? "The certificate is complete."
      : "The certificate is not complete: see what was not tried.",
    ...(certificate.unknown.length > 0
      ? [
          `Cheaper, and unknown because the trials ran out: ${certificate.unknown.map(limitsText).join("; ")}.`,
        ]
      : []),
    ...(certificate.singleWitness > 0
      ? [`${certificate.singleWitness} cheaper configurations are ruled out by one failure alone.`]
      : []),
    ...(certificate.odd.length > 0
      ? [
          `More did hurt: ${certificate.odd.map(limitsText).join("; ")} failed although less passed.`,
        ]
      : []),
    `Spent: ${spent}. ${data.ending}`,
  ];
}

export function markdown(data: ReportData): string {
  const { plan, trials } = data;
  const used = ({ seen: { service } }: TrialRecord): string =>
    service === null
      ? "–"
      : `${service.cpu.toFixed(2)}/${service.cpuLimit.toFixed(2)}, held back ${Math.round(service.throttled * 100)}%, ${Math.round(service.memory)}/${service.memoryLimit} MB`;
  const rows = trials.map((trial, i) =>
    cells(
      i + 1,
      limitsText(trial.limits),
      trial.purpose,
      `**${trial.verdict}**`,
      ms(trial.latency?.p50),
      ms(trial.latency?.p95),
      ms(trial.latency?.p99),
      Math.round(trial.rps),
      trial.failures,
      used(trial),
      besides(trial) || "–",
      `${trial.took.up.toFixed(0)}+${trial.took.load.toFixed(0)} s`,
      verdictText(trial),
    ),
  );
  const maps = passMaps(data).map(({ replicas, rows: lines }) => {
    const cpus = lines[0]?.map(({ limits }) => `${limits.cpus} CPU`) ?? [];
    return [
      `### ${replicas} replica${replicas === 1 ? "" : "s"}\n`,
      header("", ...cpus),
      ...lines.map((line) =>
        cells(`${line[0]?.limits.memory ?? 0}MB`, ...line.map(({ text }) => text)),
      ),
    ].join("\n");
  });
  const declared = data.declared.map(({ who, limits, published }) => {
    return cells(who, limitsText(limits), published, declaredText(data, limits));
  });
  return [
    `# ${data.title}\n`,
    `${plan.users} users, ${plan.spawnRate} a second, then ${plan.settle} s to settle and ${plan.steady} s measured; ${data.slo}; stack ${data.stack}; ${data.machine}.\n`,
    summary(data).join("\n\n"),
    ...(declared.length > 0
      ? ["\n## Published and here\n", header("who", "limits", "published", "here"), ...declared]
      : []),
    "\n## Where it passes\n",
    "Passes of trials; – is ruled out by a failure with no less of anything; empty was not tried.\n",
    maps.join("\n\n"),
    "\n## Trials\n",
    header(
      ...[
        "#",
        "limits",
        "why tried",
        "verdict",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "replies/s",
        "failures",
      ],
      ...["service: CPU, memory", "beside it", "up+load", "what decided"],
    ),
    ...rows,
    "\nLatencies are of the steady part, failures of all of it.",
    ...(data.notRunnable.length > 0 && data.declared.length === 0
      ? ["\n## Not runnable here\n", ...data.notRunnable.map(({ why }) => `- ${why}`)]
      : []),
    "",
  ].join("\n");
}
