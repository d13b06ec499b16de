// The report as one page that needs neither a network nor a script.
import { limitsText } from "../space.ts";
import type { Second } from "../observation.ts";
import { besides, borderTrials, passMaps, type ReportData } from "./data.ts";
import { declaredText, summary, verdictText } from "./markdown.ts";

const escaped = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? c,
  );
const bold = (text: string): string =>
  escaped(text).replace(/\*\*(.*?)\*\*/g, "<strong>$1</strong>");

const style = `
:root { color-scheme: light dark; --line: #8886; --pass: #2a8a4a; --fail: #c0392b; --mixed: #b8860b; --soft: #8883 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top }
.scroll { overflow-x: auto }
.pass { background: color-mix(in srgb, var(--pass) 30%, transparent) }
.fail { background: color-mix(in srgb, var(--fail) 30%, transparent) }
.mixed, .unstable { background: color-mix(in srgb, var(--mixed) 30%, transparent) }
.inferred { background: color-mix(in srgb, var(--fail) 10%, transparent) }
.void, .impossible { background: var(--soft) }
svg { width: 100%; height: auto; max-width: 40rem; display: block }
figure { margin: 1rem 0 }`;

/** p50, p95 and p99 over time, one line each. */
function chart(series: readonly Second[], warmUp: number, title: string): string {
  const [width, height, left, bottom] = [640, 200, 56, 24];
  const end = Math.max(1, ...series.map(({ t }) => t));
  const top = Math.max(1, ...series.map(({ p99 }) => p99));
  const x = (t: number): number => left + (t / end) * (width - left - 8);
  const y = (value: number): number => 8 + (1 - value / top) * (height - bottom - 8);
  const line = (of: (second: Second) => number, opacity: number): string =>
    `<polyline fill="none" stroke="currentColor" stroke-opacity="${opacity}" stroke-width="1.5" points="${series
      .map((second) => `${x(second.t).toFixed(1)},${y(of(second)).toFixed(1)}`)
      .join(" ")}"/>`;
  const label = (value: number): string =>
    `<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end" font-size="11" fill="currentColor">${Math.round(value)} ms</text>`;
  return `<figure><figcaption>${escaped(title)}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`Latency over time: ${title}`)}">
<line x1="${left}" x2="${width - 8}" y1="${y(0)}" y2="${y(0)}" stroke="currentColor" stroke-opacity=".4"/>
${warmUp < end ? `<line x1="${x(warmUp)}" x2="${x(warmUp)}" y1="8" y2="${y(0)}" stroke="currentColor" stroke-opacity=".4" stroke-dasharray="4 4"/><text x="${x(warmUp) + 4}" y="18" font-size="11" fill="currentColor">measured from here</text>` : ""}
${label(top)}${label(top / 2)}${label(0)}
${line(({ p99 }) => p99, 0.3)}${line(({ p95 }) => p95, 0.9)}${line(({ p50 }) => p50, 0.5)}
<text x="${width - 8}" y="${height - 6}" text-anchor="end" font-size="11" fill="currentColor">${end} s</text></svg></figure>`;
}

export function html(data: ReportData): string {
  const { plan } = data;
  const warmUp = Math.ceil(plan.users / plan.spawnRate + plan.settle);
  const maps = passMaps(data).map(
    ({
      replicas,
      rows,
    }) => `<table><caption>${replicas} replica${replicas === 1 ? "" : "s"}</caption>
<tr><td></td>${rows[0]?.map(({ limits }) => `<th scope="col">${limits.cpus} CPU</th>`).join("") ?? ""}</tr>
${rows
  .map(
    (row) =>
      `<tr><th scope="row">${row[0]?.limits.memory ?? 0}MB</th>${row
        .map(({ mark, text }) => `<td class="${mark}">${escaped(text)}</td>`)
        .join("")}</tr>`,
  )
  .join("\n")}</table>`,
  );
  const trials = data.trials.map(
    (trial, i) => `<tr><td>${i + 1}</td><td>${escaped(limitsText(trial.limits))}</td>
<td class="${trial.verdict}">${trial.verdict}</td><td>${trial.latency?.p50.toFixed(1) ?? "–"}</td>
<td>${trial.latency?.p95.toFixed(1) ?? "–"}</td><td>${trial.latency?.p99.toFixed(1) ?? "–"}</td>
<td>${Math.round(trial.rps)}</td><td>${trial.failures}</td><td>${escaped(besides(trial))}</td>
<td>${escaped(verdictText(trial))}</td></tr>`,
  );
  const declared = data.declared.map(({ who, limits, published }) => {
    const same = data.trials.findLast((one) => limitsText(one.limits) === limitsText(limits));
    return `<tr><td>${escaped(who)}</td><td>${escaped(limitsText(limits))}</td><td>${escaped(published)}</td><td class="${same?.verdict ?? "impossible"}">${bold(declaredText(data, limits))}</td></tr>`;
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(data.title)}</title><style>${style}</style>
<h1>${escaped(data.title)}</h1>
<p>${plan.users} users, ${plan.spawnRate} a second; ${escaped(data.slo)}; stack ${escaped(data.stack)}; ${escaped(data.machine)}</p>
${summary(data)
  .map((line) => `<p>${bold(line)}</p>`)
  .join("\n")}
${declared.length > 0 ? `<h2>Published and here</h2><div class="scroll"><table><tr><th>who<th>limits<th>published<th>here</tr>${declared.join("\n")}</table></div>` : ""}
<h2>Where it passes</h2>
<p>Passes of trials; – is ruled out by a failure with no less of anything; empty was not tried.</p>
<div class="scroll">${maps.join("\n")}</div>
<h2>Latency over time</h2>
<p>p95 strong, p50 and p99 lighter.</p>
${borderTrials(data)
  .map((trial) => chart(trial.series, warmUp, `${limitsText(trial.limits)}: ${trial.verdict}`))
  .join("\n")}
<h2>Trials</h2>
<div class="scroll"><table><tr><th>#<th>limits<th>verdict<th>p50 ms<th>p95 ms<th>p99 ms<th>replies/s<th>failures<th>beside it<th>what decided</tr>
${trials.join("\n")}</table></div>
</html>
`;
}
