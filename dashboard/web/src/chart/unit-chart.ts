import { effect, signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import type uPlot from "uplot";
import { now, serverNow } from "../plant/clock";
import type { Series } from "../plant/device";
import { plant } from "../plant/plant";
import { formatTime } from "../reading/age";
import { metricsIn } from "../reading/limits";
import { formatNumber, formatSwitch } from "../reading/number";
import { trendOf } from "../reading/trend";
import { metricLabel, switchWords } from "../reading/unit";
import { trendArrow } from "../shell/icons";
import { Live } from "../shell/live";
import { palette } from "../shell/theme";
import { api } from "../wire/api";
import { millis } from "../wire/contract";
import { align, Buckets } from "./buckets";
import { makePlot } from "./plot";
import { POINTS, type Range } from "./range";
import "./chart.css";

/** A chart paints at most this often; a week moves slower than five minutes. */
const FRAME_MS = 250;
const HEIGHT = 168;
/** Of a chart that knows only on and off. */
const SWITCH_HEIGHT = 84;

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) (entry.target as UnitChart).near.value = entry.isIntersecting;
  },
  { rootMargin: "300px" },
);

/** All metrics of a device that share a unit, on one y axis. History first, then every reading as it comes. */
export class UnitChart extends Live {
  static override properties = {
    device: {},
    unit: {},
    metrics: { attribute: false, hasChanged: (a: unknown, b: unknown) => String(a) !== String(b) },
    range: { attribute: false },
  };
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
      plant.fleet.watch((reading, frame) => {
        if (reading[0] !== this.device) return;
        const buckets = this.#buckets[this.metrics.indexOf(reading[1])];
        buckets?.take(reading, frame);
        if (buckets) this.#dirty = true;
      }),
    ];
    const resize = new ResizeObserver(() => this.#chart?.setSize({ width: this.#width(), height: this.#height() }));
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
    return html`<figure class="chart" ?data-switch=${this.#isSwitch} data-testid="chart-${this.metrics[0]}">
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
    const there = pointed === null ? undefined : this.#buckets[i]?.nearest(pointed);
    const show = (value: number) =>
      this.#isSwitch ? formatSwitch(value, switchWords(metric)) : formatNumber(value, series?.decimals);
    let value = series?.text ?? "–";
    if (pointed !== null) value = there ? show(there.avg) : "–";
    return html`<span class="legend">
      <svg class="swatch" data-line=${i % 4} viewBox="0 0 16 4" aria-hidden="true"><path d="M0 2h16"></path></svg>
      <span>${metricLabel(metric)}</span>
      <b data-testid="chart-value">${value}</b>${this.unit ? html`<span class="unit">${this.unit}</span>` : nothing}
      ${pointed === null && series ? trendArrow(trendOf(series.trail)) : nothing}
      ${there && there.max > there.min && !this.#isSwitch ? html`<span class="dim">${show(there.min)} to ${show(there.max)}</span>` : nothing}
    </span>`;
  }

  #summary(): string {
    const series = this.metrics
      .map((metric) => plant.fleet.get(this.device)?.seriesOf(metric))
      .filter((s): s is Series => s !== undefined);
    return series.map((s) => `${metricLabel(s.metric)} is ${s.text} ${s.unit}`).join(", ");
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
    // A stream that begins anew has missed what came meanwhile: history has it.
    if (!isNear || !plant.hello.value) return;
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    const buckets = this.metrics.map(() => new Buckets(stepMs));
    for (const fresh of buckets) fresh.hold();
    const isFresh = !this.#buckets.some((known) => known.size > 0);
    if (isFresh || !zoom) this.#buckets = buckets;
    this.#state.value = "loading";
    const to = range.zoom.peek()?.to ?? serverNow();
    const from = range.zoom.peek()?.from ?? to - range.ms.peek();
    const answers = this.metrics.map((metric) => api.series(this.device, metric, from, to, POINTS, loading.signal));
    Promise.all(answers).then(
      (loaded) => {
        for (const [i, answer] of loaded.entries()) buckets[i]?.load(answer);
        this.#buckets = buckets;
        this.#state.value = "loaded";
        this.#dirty = true;
      },
      () => {
        if (loading.signal.aborted) return;
        for (const fresh of buckets) fresh.release();
        this.#state.value = "failed";
        this.#dirty = true;
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
    if (isLive && this.#state.peek() === "loaded") {
      const oldest = millis(plant.status.peek()?.history?.oldest);
      for (const buckets of this.#buckets) this.range.found(buckets.begins, oldest, serverNow());
    }
    const { from } = this.range.span(serverNow());
    if (isLive) for (const buckets of this.#buckets) buckets.forgetBefore(from - buckets.stepMs);
    this.#chart?.setData(align(this.#buckets) as uPlot.AlignedData);
  }

  #limits() {
    const device = plant.fleet.get(this.device);
    return device ? plant.rules.limitsOf(device).filter((limit) => this.metrics.includes(limit.metric)) : [];
  }

  #alerts() {
    return plant.alerts.newestFirst.peek().filter((alert) => {
      if (alert.device !== this.device) return false;
      const rule = plant.rules.get(alert.rule);
      const read = rule ? metricsIn(rule.when) : null;
      return !read || this.metrics.some((metric) => read.has(metric));
    });
  }

  get #isSwitch(): boolean {
    const [metric] = this.metrics;
    return metric !== undefined && typeof plant.fleet.get(this.device)?.seriesOf(metric).value === "boolean";
  }

  #height(): number {
    return this.#isSwitch ? SWITCH_HEIGHT : HEIGHT;
  }

  #width(): number {
    return Math.max(200, this.querySelector(".plot")?.clientWidth ?? this.clientWidth);
  }

  #make(): uPlot | null {
    const place = this.querySelector<HTMLElement>(".plot");
    if (!place) return null;
    const chart = makePlot(place, {
      lines: this.metrics.length,
      switchWords: this.#isSwitch ? switchWords(this.metrics[0] ?? "") : null,
      width: this.#width(),
      height: this.#height(),
      span: () => this.range.span(serverNow()),
      limits: () => this.#limits(),
      alerts: () => this.#alerts(),
      onZoom: (span) => {
        this.range.zoom.value = span;
      },
      onPoint: (at) => {
        this.#pointed.value = at;
      },
    });
    this.#endings.push(
      effect(() => {
        palette.value;
        plant.alerts.revision.value;
        plant.rules.all.value;
        this.#dirty = true;
      }),
    );
    return chart;
  }
}
customElements.define("unit-chart", UnitChart);
