// <run-chart>: one chart, drawn by uPlot, with a legend that tells the values under the cursor.
import { html, render } from "lit-html";
import uPlot from "uplot";
import { inWords, place, type Chart, type Line } from "./charts.ts";
import { inUnit, onAxis } from "./format.ts";

const height = 190;

/** Round numbers of bytes, as an axis steps by them. */
const powersOfTwo = Array.from({ length: 50 }, (_, i) => 2 ** i);

export class RunChart extends HTMLElement {
  #chart: Chart | undefined;
  #plot: uPlot | undefined;
  #drawn = "";
  readonly #box = document.createElement("div");
  readonly #legend = document.createElement("div");
  readonly #resized = new ResizeObserver(() => {
    this.#plot?.setSize({ width: this.#box.clientWidth, height });
  });
  readonly #recoloured = (): void => {
    this.#plot?.redraw(false);
  };

  set chart(chart: Chart) {
    this.#chart = chart;
    if (this.isConnected) this.#show();
  }

  connectedCallback(): void {
    this.#box.className = "plot";
    this.#box.setAttribute("role", "img");
    this.#legend.className = "legend";
    this.replaceChildren(this.#box, this.#legend);
    this.#resized.observe(this.#box);
    addEventListener("theme", this.#recoloured);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.#recoloured);
    this.#show();
  }

  disconnectedCallback(): void {
    this.#resized.disconnect();
    removeEventListener("theme", this.#recoloured);
    matchMedia("(prefers-color-scheme: dark)").removeEventListener("change", this.#recoloured);
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#drawn = "";
  }

  #show(): void {
    const chart = this.#chart;
    if (chart === undefined) return;
    this.#box.setAttribute("aria-label", inWords(chart));
    const data: uPlot.AlignedData = [chart.at, ...chart.lines.map(({ values }) => values)];
    // The lines of a chart change when a replica comes or a run is added: then it is made anew.
    const wanted = JSON.stringify([chart.id, chart.lines.map(({ label }) => label)]);
    if (this.#plot === undefined || wanted !== this.#drawn) {
      this.#plot?.destroy();
      this.#drawn = wanted;
      this.#showLegend(null);
      this.#plot = new uPlot(this.#options(chart), data, this.#box);
      return;
    }
    // What someone has zoomed into stays put while the run goes on.
    const { min, max } = this.#plot.scales["x"]!;
    const times = this.#plot.data[0];
    const zoomed = times.length > 1 && (min! > times[0]! || max! < times.at(-1)!);
    this.#plot.setData(data, !zoomed);
    if (zoomed) this.#plot.redraw();
    this.#showLegend(this.#plot.cursor.idx ?? null);
  }

  #showLegend(index: number | null): void {
    const { lines, unit, at } = this.#chart!;
    const text = ({ values }: Line): string => {
      const value = index === null ? values.findLast((known) => known !== null) : values[index];
      return value == null ? "–" : inUnit(unit, value);
    };
    render(
      html`${lines.map(
          (line) =>
            html`<span class="key"
              ><i class="swatch ${`hue-${line.colour}`}"></i>${line.label}
              <b>${text(line)}</b></span
            >`,
        )}
        <time
          >${index === null || at[index] === undefined ? "" : place(this.#chart!, at[index])}</time
        >`,
      this.#legend,
    );
  }

  /** A colour of the style sheet as the theme has it now: a canvas knows no CSS variables. */
  #colour(name: string): string {
    const probe = document.createElement("i");
    probe.className = name;
    this.#legend.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }

  #options(chart: Chart): uPlot.Options {
    const axis: uPlot.Axis = {
      stroke: () => this.#colour("hue-text"),
      grid: { stroke: () => this.#colour("hue-grid"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    return {
      width: this.#box.clientWidth,
      height,
      padding: [8, 28, 0, 0],
      legend: { show: false },
      cursor: {
        // One moment, read in every chart that has it.
        sync: { key: chart.axis, setSeries: false },
        drag: { x: true, y: false },
        points: { size: 6 },
      },
      scales: {
        // A run of one second is a point: some width makes it seen.
        x: {
          time: false,
          range: (_plot, min, max) => [min, chart.axis === "nines" ? max : Math.max(max, min + 5)],
        },
        y: {
          range: (_plot, _min, max) => [0, max > 0 ? max * 1.08 : 1],
        },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: chart.axis === "nines" ? 20 : 70,
          incrs: [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
          ],
          values: (_plot, splits) => splits.map((at) => place(chart, at)),
        },
        {
          ...axis,
          size: 58,
          space: 32,
          ...(chart.unit === "bytes" ? { incrs: powersOfTwo } : {}),
          values: (_plot, splits) => splits.map((value) => onAxis(chart.unit, value)),
        },
      ],
      series: [
        {},
        ...chart.lines.map(({ label, colour }): uPlot.Series => ({
          label,
          stroke: () => this.#colour(`hue-${colour}`),
          width: 1.75,
          points: { show: false },
          ...(colour === "limit" ? { dash: [6, 4], width: 1.25 } : {}),
        })),
      ],
      hooks: {
        setCursor: [
          (plot) => {
            this.#showLegend(plot.cursor.idx ?? null);
          },
        ],
      },
    };
  }
}

customElements.define("run-chart", RunChart);
