import { effect, signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { now, serverNow } from "../plant/clock";
import type { Series } from "../plant/device";
import { plant } from "../plant/plant";
import { formatTime } from "../reading/age";
import { metricsIn } from "../reading/limits";
import { formatNumber, formatValue } from "../reading/number";
import { trendOf } from "../reading/trend";
import { metricLabel } from "../reading/unit";
import { trendArrow } from "../shell/icons";
import { Live } from "../shell/live";
import { colour, palette } from "../shell/theme";
import { api } from "../wire/api";
import { align, Buckets, type Column } from "./buckets";
import { drawAlerts, drawLimits, valueRange } from "./overlays";
import { POINTS, type Range } from "./range";

/** A chart paints at most this often; a week moves slower than five minutes. */
const FRAME_MS = 250;
const HEIGHT = 168;
const FONT = "11px Inter, system-ui, sans-serif";

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) (entry.target as UnitChart).near.value = entry.isIntersecting;
  },
  { rootMargin: "300px" },
);

/** All metrics of a device that share a unit, on one y axis. History first, then every reading as it comes. */
export class UnitChart extends Live {
  static override properties = { device: {}, unit: {}, metrics: { attribute: false }, range: { attribute: false } };
  declare device: string;
  declare unit: string;
  declare metrics: readonly string[];
  declare range: Range;

  readonly near = signal(false);
  readonly #pointed = signal<number | null>(null);
  readonly #state = signal<"loading" | "loaded" | "failed">("loading");

  #chart: uPlot | null = null;
  #buckets: Buckets[] = [];
  #loading: AbortController | undefined;
  #endings: (() => void)[] = [];
  #dirty = true;
  #paintedAt = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    near.observe(this);
    this.#endings = [
      effect(() => this.#load()),
      plant.fleet.watch(([device, metric, time, value, min, max, count]) => {
        if (device !== this.device || typeof value === "string") return;
        const at = this.metrics.indexOf(metric);
        const number = Number(value);
        if (at >= 0) this.#buckets[at]?.add(time, number, Number(min ?? number), Number(max ?? number), count);
        if (at >= 0) this.#dirty = true;
      }),
    ];
    const resize = new ResizeObserver(() => this.#chart?.setSize({ width: this.#width(), height: HEIGHT }));
    resize.observe(this);
    this.#endings.push(() => resize.disconnect());
    let frame = requestAnimationFrame(
      function paint(this: UnitChart, at: number) {
        this.#paint(at);
        frame = requestAnimationFrame(paint.bind(this));
      }.bind(this),
    );
    this.#endings.push(() => cancelAnimationFrame(frame));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    near.unobserve(this);
    for (const end of this.#endings) end();
    this.#loading?.abort();
    this.#chart?.destroy();
    this.#chart = null;
  }

  override render() {
    plant.fleet.get(this.device)?.revision.value;
    const pointed = this.#pointed.value;
    const names = this.metrics.map(metricLabel).join(", ");
    return html`<figure class="chart" data-testid="chart-${this.metrics[0]}">
      <figcaption>
        ${this.metrics.map((metric, i) => this.#legend(metric, i))}
        ${pointed === null ? nothing : html`<time class="dim">at ${formatTime(pointed, now.value)}</time>`}
      </figcaption>
      <div class="plot" role="img" aria-label="${names}: ${this.#summary()}"></div>
      ${this.#emptiness()}
    </figure>`;
  }

  #legend(metric: string, i: number) {
    const series = plant.fleet.get(this.device)?.seriesOf(metric);
    const pointed = this.#pointed.value;
    const there = pointed === null ? undefined : this.#at(i, pointed);
    const value =
      pointed === null
        ? formatValue(series?.value ?? null, series?.decimals)
        : there
          ? formatNumber(there.avg, series?.decimals)
          : "–";
    return html`<span class="legend">
      <svg class="swatch" data-line=${i % 4} viewBox="0 0 16 4" aria-hidden="true"><path d="M0 2h16"></path></svg>
      <span>${metricLabel(metric)}</span>
      <b data-testid="chart-value">${value}</b>${this.unit ? html`<span class="unit">${this.unit}</span>` : nothing}
      ${pointed === null && series ? trendArrow(trendOf(series.trail)) : nothing}
      ${there && there.max > there.min ? html`<span class="dim">${formatNumber(there.min, series?.decimals)} to ${formatNumber(there.max, series?.decimals)}</span>` : nothing}
    </span>`;
  }

  #summary(): string {
    const series = this.metrics
      .map((metric) => plant.fleet.get(this.device)?.seriesOf(metric))
      .filter((s): s is Series => s !== undefined);
    return series.map((s) => `${metricLabel(s.metric)} is ${formatValue(s.value, s.decimals)} ${s.unit}`).join(", ");
  }

  #emptiness() {
    now.value;
    if (this.#state.value === "loading" || this.#buckets.some((buckets) => buckets.size > 0)) return nothing;
    return html`<p class="nothing">${this.#state.value === "failed" ? "History cannot be read now; live readings appear as they come." : "No readings in this time."}</p>`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("device") || changed.has("metrics") || changed.has("unit")) {
      this.#chart?.destroy();
      this.#chart = null;
      this.#load();
    }
  }

  /** Reads the history of the range or of the part zoomed into; live readings go on falling into the same buckets. */
  #load(): void {
    const { range } = this;
    const isNear = this.near.value;
    const stepMs = range.stepMs.value;
    const zoom = range.zoom.value;
    range.ms.value;
    if (!isNear) return;
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    const buckets = this.metrics.map(() => new Buckets(stepMs));
    const isFresh = !this.#buckets.some((known) => known.size > 0);
    if (isFresh || !zoom) this.#buckets = buckets;
    this.#state.value = "loading";
    const { from, to } = range.span(serverNow());
    const answers = this.metrics.map((metric) => api.series(this.device, metric, from, to, POINTS, loading.signal));
    Promise.all(answers).then(
      (loaded) => {
        for (const [i, answer] of loaded.entries()) buckets[i]?.load(answer);
        this.#buckets = buckets;
        this.#state.value = "loaded";
        this.#dirty = true;
      },
      () => {
        if (!loading.signal.aborted) this.#state.value = "failed";
      },
    );
    this.#dirty = true;
  }

  #paint(at: number): void {
    if (!this.near.peek() || !this.isConnected || document.hidden) return;
    const isLive = this.range.zoom.peek() === null;
    const pace = Math.max(FRAME_MS, isLive ? this.range.ms.peek() / Math.max(1, this.#width()) / 2 : FRAME_MS);
    if (!this.#dirty && (!isLive || at - this.#paintedAt < pace)) return;
    if (at - this.#paintedAt < FRAME_MS) return;
    this.#paintedAt = at;
    this.#dirty = false;
    if (!this.#chart) this.#chart = this.#make();
    const { from } = this.range.span(serverNow());
    if (isLive) for (const buckets of this.#buckets) buckets.forgetBefore(from - buckets.stepMs);
    this.#chart?.setData(align(this.#buckets) as uPlot.AlignedData);
  }

  #at(metric: number, time: number) {
    const buckets = this.#buckets[metric];
    return buckets?.at(Math.floor(time / buckets.stepMs));
  }

  #limits() {
    return plant.rules.limitsOf(this.device).filter((limit) => this.metrics.includes(limit.metric));
  }

  #alerts() {
    return plant.alerts.newestFirst.peek().filter((alert) => {
      if (alert.device !== this.device) return false;
      const rule = plant.rules.get(alert.rule);
      const read = rule ? metricsIn(rule.when) : null;
      return !read || this.metrics.some((metric) => read.has(metric));
    });
  }

  #width(): number {
    return Math.max(200, this.querySelector(".plot")?.clientWidth ?? this.clientWidth);
  }

  #make(): uPlot | null {
    const place = this.querySelector<HTMLElement>(".plot");
    if (!place) return null;
    const axis = {
      stroke: () => colour("dim"),
      font: FONT,
      grid: { stroke: () => colour("grid"), width: 1 },
      ticks: { show: false },
    };
    const device = plant.fleet.get(this.device);
    const chart = new uPlot(
      {
        width: this.#width(),
        height: HEIGHT,
        ms: 1,
        padding: [8, 4, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          sync: { key: "device", scales: ["x", null] },
          drag: { x: true, y: false, setScale: false },
          bind: {
            dblclick: () => () => {
              this.range.zoom.value = null;
              return null;
            },
          },
        },
        scales: {
          x: {
            time: true,
            range: () => {
              const { from, to } = this.range.span(serverNow());
              return [from, to];
            },
          },
          y: { range: (_chart, low, high) => valueRange(low, high, this.#limits()) },
        },
        axes: [
          {
            ...axis,
            size: 26,
            space: 90,
            values: (_chart, splits, _axis, _space, step) => splits.map((at) => clockLabel(at, step)),
          },
          {
            ...axis,
            size: 54,
            space: 32,
            values: (_chart, splits) => splits.map((value) => formatNumber(value, decimalsOfSteps(splits))),
          },
        ],
        series: [
          {},
          ...this.metrics.flatMap((metric, i) => {
            const isSwitch = typeof device?.seriesOf(metric).value === "boolean";
            const stepped = isSwitch && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {};
            const line = {
              stroke: () => colour(`line-${i % 4}`),
              width: 1.5,
              points: { size: 4, fill: () => colour(`line-${i % 4}`) },
            };
            const edge = { stroke: () => "transparent", width: 0, points: { show: false } };
            return [{ ...line, ...stepped }, edge, edge];
          }),
        ],
        bands: this.metrics.map((_metric, i) => ({
          series: [i * 3 + 3, i * 3 + 2] as [number, number],
          fill: () => colour(`band-${i % 4}`),
        })),
        hooks: {
          drawClear: [(self) => drawAlerts(self, this.#alerts(), serverNow())],
          draw: [(self) => drawLimits(self, this.#limits())],
          setSelect: [(self) => this.#zoom(self)],
          setCursor: [(self) => this.#point(self)],
        },
      },
      [[], ...this.metrics.flatMap((): Column[] => [[], [], []])] as uPlot.AlignedData,
      place,
    );
    this.#endings.push(
      effect(() => {
        palette.value;
        plant.alerts.newestFirst.value;
        plant.rules.all.value;
        this.#dirty = true;
        chart.redraw(false);
      }),
    );
    return chart;
  }

  #zoom(chart: uPlot): void {
    const { left, width } = chart.select;
    if (width < 6) return;
    const [from, to] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")];
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (to - from >= 1_000) this.range.zoom.value = { from, to };
  }

  #point(chart: uPlot): void {
    const { left } = chart.cursor;
    this.#pointed.value = left == null || left < 0 ? null : chart.posToVal(left, "x");
  }
}
customElements.define("unit-chart", UnitChart);

function clockLabel(at: number, stepMs: number): string {
  const date = new Date(at);
  const two = (part: number) => String(part).padStart(2, "0");
  if (stepMs >= 86_400_000 || (date.getHours() === 0 && date.getMinutes() === 0 && stepMs >= 3_600_000)) {
    return `${date.getDate()} ${date.toLocaleString("en", { month: "short" })}`;
  }
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return stepMs < 60_000 ? `${clock}:${two(date.getSeconds())}` : clock;
}

function decimalsOfSteps(splits: readonly number[]): number {
  const step = Math.abs((splits[1] ?? 1) - (splits[0] ?? 0));
  return step >= 1 || step === 0 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
}
