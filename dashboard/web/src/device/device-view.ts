import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { RANGES, Range } from "../chart/range";
import "../chart/unit-chart";
import { act, ask } from "../alerts/ask";
import { shapeOf, whatBesideRule } from "../alerts/words";
import { alertsOf } from "../overview/latest-alerts";
import { clockMark, connectionMark, presenceWords } from "../overview/presence";
import { rangAt } from "../plant/alerts";
import { now } from "../plant/clock";
import type { Device } from "../plant/device";
import { plant } from "../plant/plant";
import { formatAge, formatDuration, formatSkew, formatTime } from "../reading/age";
import { formatCount, formatNumber } from "../reading/number";
import { selects } from "../reading/tags";
import { metricLabel } from "../reading/unit";
import { severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import { stream } from "../shell/session";
import { type Alert, millis } from "../wire/contract";
import { chartsOf } from "./charts";
import "./device.css";

/** What exactly is with this device, and since when. */
export class DeviceView extends Live {
  static override properties = { device: {} };
  declare device: string;
  readonly #range = new Range();

  override render() {
    const device = plant.fleet.get(this.device);
    plant.fleet.ids.value;
    if (!device) return this.#missing();
    const alert = plant.alerts.worstByDevice.value.get(device.id);
    const ofGroups = plant.alerts.open.value.filter(
      ({ device, suppression }) => device === null && suppression === "none",
    );
    return html`<device-head .device=${device.id}></device-head>
      ${alert ? this.#alert(alert) : nothing}
      ${alertsOf(device.id, ofGroups)
        .slice(0, 1)
        .map((each) => this.#alert(each))}
      <div class="evidence">
        <div class="charts">
          <div class="toolbar">
            <div class="segments" role="group" aria-label="Time shown" data-testid="ranges">
              ${RANGES.map(
                ({ name, label }) =>
                  html`<button aria-pressed=${name === this.#range.name.value && !this.#range.zoom.value} data-testid="range-${name}" @click=${() => this.#range.choose(name)}>${label}</button>`,
              )}
            </div>
            ${this.#zoom()}
          </div>
          <device-charts .device=${device.id} .range=${this.#range}></device-charts>
        </div>
        <div class="facts">
          <latest-alerts .device=${device.id}></latest-alerts>
          ${this.#rules(device)}
          <device-counters .device=${device.id}></device-counters>
        </div>
      </div>`;
  }

  #zoom() {
    const zoom = this.#range.zoom.value;
    if (!zoom) return html`<span class="dim hint">drag to zoom · live edge follows</span>`;
    return html`<span class="dim">${formatTime(zoom.from, now.peek())} to ${formatTime(zoom.to, now.peek())}</span>
      <button data-testid="zoom-reset" @click=${() => (this.#range.zoom.value = null)}>Back to live</button>`;
  }

  #missing() {
    if (!plant.fleet.known.value) return nothing;
    return html`<section class="nothing"><h1>No device is called ${this.device}</h1>
      <p>It may not have sent anything yet. <a href=${paths.connect()}>Connect a device</a> or go to the <a href=${paths.overview()}>overview</a>.</p></section>`;
  }

  #alert(alert: Alert) {
    return html`<section class="ringing" data-severity=${alert.severity} data-life=${shapeOf(alert)} data-unacknowledged=${alert.acknowledged ? nothing : ""} data-alert=${alert.id}>
      ${severityIcon(alert.severity)}
      <a href=${paths.alert(alert.id)}><b>${alert.rule}</b> ${alert.device === null ? `${alert.subject} ` : ""}${whatBesideRule(alert)} <span class="dim">${alert.active ? "for" : "cleared after"} ${formatDuration((millis(alert.cleared_at) ?? now.value) - rangAt(alert))}</span></a>
      ${alert.acknowledged ? html`<span class="dim">acknowledged by ${alert.acknowledged_by}</span>` : html`<button class="ack" @click=${() => act(alert, "ack")}>Ack</button><button @click=${() => ask("ack", alert)}>Ack with note…</button>`}
      <button @click=${() => ask("shelve", alert)}>Shelve…</button>
    </section>`;
  }

  #rules(device: Device) {
    device.revision.value;
    const rules = plant.rules.all.value.filter((rule) => selects(rule, device.id, device.tags));
    return html`<section class="panel" aria-labelledby="watching-title">
      <header><h2 id="watching-title">Rules that watch it</h2><a href=${paths.newRule(device.id)}>Add</a></header>
      ${
        rules.length
          ? html`<ul class="watching">${rules.map(
              (rule) =>
                html`<li class=${rule.enabled ? "" : "dim"}><a href=${paths.rule(rule.name)}>${severityIcon(rule.severity)}<b>${rule.name}</b>${rule.enabled ? nothing : " (off)"}<code>${rule.when}</code></a></li>`,
            )}</ul>`
          : html`<p class="dim">None: nothing this device sends can ring.</p>`
      }
    </section>`;
  }
}
customElements.define("device-view", DeviceView);

/** The name of a device and where it stands. */
export class DeviceHead extends Live {
  static override properties = { device: {} };
  declare device: string;

  override render() {
    const device = plant.fleet.get(this.device);
    if (!device) return nothing;
    device.revision.value;
    const alert = plant.alerts.worstByDevice.value.get(device.id);
    return html`<header class="device-head" data-freshness=${device.freshness}>
      <p class="path"><a href=${paths.overview()}>Overview</a> /</p>
      <h1 data-testid="device-name">${alert ? severityIcon(alert.severity) : nothing}${device.id}</h1>
      <p class="standing" data-testid="device-presence">${connectionMark(device)} ${stream.link.value === "live" ? nothing : "as last known: "}${presenceWords(device, now.value)}${device.via && device.via !== device.id ? ` · via ${device.via}` : ""}</p>
      ${
        Object.keys(device.tags).length
          ? html`<ul class="words" aria-label="Tags" data-testid="tags">${Object.entries(device.tags).map(
              ([name, value]) => html`<li><span class="dim">${name}</span> <b>${value}</b></li>`,
            )}</ul>`
          : nothing
      }
      ${
        Object.keys(device.limits).length
          ? html`<ul class="words" aria-label="Limits" data-testid="limits">${Object.entries(device.limits).map(
              ([name, limit]) => html`<li><span class="dim">limit ${name}</span> <b>${formatNumber(limit)}</b></li>`,
            )}</ul>`
          : nothing
      }
      ${
        device.clockWrong && device.clockSkew !== null
          ? html`<p class="clock" data-testid="clock-words">${clockMark(device)} Its clock is <b>${formatSkew(device.clockSkew)}</b>: what it says is judged and drawn at the wrong time. Set it right, or send no <code>ts</code>.</p>`
          : nothing
      }
      <ul class="words">${[...device.series.values()]
        .filter(({ value }) => typeof value === "string")
        .map(
          (series) => html`<li><span class="dim">${metricLabel(series.metric)}</span> <b>${series.text}</b></li>`,
        )}</ul>
    </header>`;
  }
}
customElements.define("device-head", DeviceHead);

/** One chart for each unit the device measures in. */
export class DeviceCharts extends Live {
  static override properties = { device: {}, range: { attribute: false } };
  declare device: string;
  declare range: Range;
  #charts: ReturnType<typeof chartsOf> = [];

  override render() {
    const device = plant.fleet.get(this.device);
    if (!device) return nothing;
    device.revision.value;
    const watched = plant.rules.limitsOf(device).map(({ metric }) => metric);
    const charts = chartsOf(device.series.values(), watched);
    // The same list object while the metrics are the same: the charts below are made once.
    if (JSON.stringify(charts) !== JSON.stringify(this.#charts)) this.#charts = charts;
    if (this.#charts.length === 0) return html`<p class="nothing">No numbers to draw yet.</p>`;
    return repeat(
      this.#charts,
      (chart) => `${this.device} ${chart.key}`,
      (chart) =>
        html`<unit-chart .device=${this.device} .unit=${chart.unit} .metrics=${chart.metrics} .range=${this.range}></unit-chart>`,
    );
  }
}
customElements.define("device-charts", DeviceCharts);

/** What came of what the device sent: nothing is dropped in silence. */
export class DeviceCounters extends Live {
  static override properties = { device: {} };
  declare device: string;

  override render() {
    const device = plant.fleet.get(this.device);
    if (!device) return nothing;
    device.revision.value;
    const { messages, readings, late, duplicates, rejected, future, jumps } = device.counters;
    const rejectedPayload = device.lastRejected;
    return html`<section class="panel" aria-labelledby="counters-title" data-testid="counters">
        <header><h2 id="counters-title">Counted</h2></header>
        <dl class="counters">
          ${this.#clock(device)} ${this.#count("Messages", messages)} ${this.#count("Readings", readings)}
          ${this.#count("Late", late, "Came after the allowed lateness: stored, but judged by no rule")}
          ${this.#count("Duplicates", duplicates, "Sent again with the same time and value: counted once")}
          ${this.#count("Rejected", rejected, "Could not be read")}
          ${this.#count("From the future", future, "Dated more than five minutes ahead: the time of arrival was taken instead")}
          ${jumps ? this.#count("Jumps", jumps, "Positions it could only have reached faster than max_speed_kmh of its profile: no rule takes them for its position") : nothing}
        </dl>
      </section>
      ${
        rejectedPayload
          ? html`<section class="panel" aria-labelledby="rejected-title" data-testid="last-rejected">
            <header><h2 id="rejected-title">Last rejected payload</h2><span class="dim">${formatAge(now.value - (millis(rejectedPayload.at) ?? 0))} ago</span></header>
            <p>${rejectedPayload.reason}</p>
            <p class="dim">on <code>${rejectedPayload.topic}</code></p>
            <pre>${rejectedPayload.payload_preview}</pre>
          </section>`
          : nothing
      }`;
  }

  /** Nothing to say where the device leaves the time to the server. */
  #clock({ clockSkew, clockWrong }: Device) {
    if (clockSkew === null) return nothing;
    const meaning =
      "Its stated times against their arrival: the least delayed message of each minute, the median of five minutes";
    return html`<div title=${meaning} data-testid="clock" class=${clockWrong ? "wrong" : ""}><dt>Clock</dt><dd>${formatSkew(clockSkew)}</dd></div>`;
  }

  #count(label: string, count: number, meaning = "") {
    return html`<div title=${meaning}><dt>${label}</dt><dd class=${count ? "" : "dim"}>${formatCount(count)}</dd></div>`;
  }
}
customElements.define("device-counters", DeviceCounters);
