import { html, nothing, type PropertyValues } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Range } from "../chart/range";
import "../chart/unit-chart";
import { chartsOf } from "../device/charts";
import { needsAcknowledgement, rangAt } from "../plant/alerts";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatDuration, formatTime } from "../reading/age";
import { metricsIn } from "../reading/limits";
import { formatValue } from "../reading/number";
import { metricLabel } from "../reading/unit";
import { icon, severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import { type Alert, millis } from "../wire/contract";
import { act, ask } from "./ask";
import { lifeOf, shapeOf, whatOf } from "./words";

/** How much is drawn before and after an alert that is over. */
const MARGIN_MS = 120_000;

/** One alert and its evidence: the rule with the values it read, the readings around it, who did what. */
export class AlertDetail extends Live {
  static override properties = { alert: {} };
  declare alert: string;
  #range = new Range();
  #framed = "";

  override render() {
    const alert = plant.alerts.get(this.alert);
    if (!alert) {
      return html`<section class="detail panel">${plant.fleet.known.value ? html`<p class="nothing">This alert is not known here. It may be older than what is kept.</p>` : nothing}</section>`;
    }
    const rule = plant.rules.get(alert.rule);
    const end = millis(alert.cleared_at);
    return html`<section class="detail panel" data-severity=${alert.severity} data-life=${shapeOf(alert)} data-alert=${alert.id} aria-labelledby="detail-title" data-testid="alert-detail">
      <header>
        <h2 id="detail-title">${severityIcon(alert.severity)} ${alert.device ? html`<a href=${paths.device(alert.device)}>${alert.subject}</a>` : alert.subject}</h2>
        <a class="bare close" href="${paths.alerts()}${location.search}" aria-label="Close">${icon("close")}</a>
      </header>
      <p class="lead">${whatOf(alert)}</p>
      <p class="dim" data-testid="alert-state">${lifeOf(alert)} · ${alert.severity} · ${alert.active ? "for" : "rang for"} ${formatDuration((end ?? now.value) - rangAt(alert))}</p>
      <div class="actions">
        ${needsAcknowledgement(alert) ? html`<button class="primary" @click=${() => ask("ack", alert)} data-testid="detail-ack">Acknowledge…</button>` : nothing}
        ${alert.suppression === "shelved" ? html`<button @click=${() => act(alert, "unshelve")}>Unshelve</button>` : alert.state !== "cleared" ? html`<button @click=${() => ask("shelve", alert)}>Shelve…</button>` : nothing}
        <button @click=${() => ask("comment", alert)} data-testid="comment">Comment…</button>
      </div>
      ${
        rule
          ? html`<h3>Rule <a href=${paths.rule(rule.name)}>${rule.name}</a></h3><pre>${rule.when}</pre>
            ${this.#values(alert, rule.when)}`
          : html`<h3>Rule ${alert.rule}</h3><p class="dim">This rule is not there any more.</p>`
      }
      ${rule ? this.#charts(alert, rule.when) : nothing}
      <h3>What happened</h3>
      ${this.#story(alert)}
    </section>`;
  }

  #values(alert: Alert, when: string) {
    const device = alert.device ? plant.fleet.get(alert.device) : undefined;
    if (!device) return nothing;
    device.revision.value;
    return html`<dl class="values">
      <div><dt>when it rang</dt><dd><b>${formatValue(alert.value)}</b></dd></div>
      ${[...metricsIn(when)].map((metric) => {
        const series = device.series.get(metric);
        return html`<div><dt>${metricLabel(metric)} now</dt><dd><b>${series?.text ?? "–"}</b>${series?.unit ? html`<span class="unit">${series.unit}</span>` : nothing}</dd></div>`;
      })}
    </dl>`;
  }

  #charts(alert: Alert, when: string) {
    const device = alert.device ? plant.fleet.get(alert.device) : undefined;
    if (!device) return nothing;
    const read = metricsIn(when);
    const charts = chartsOf([...device.series.values()].filter((series) => read.has(series.metric)));
    return repeat(
      charts,
      ({ key }) => `${alert.id} ${key}`,
      ({ unit, metrics }) =>
        html`<unit-chart .device=${device.id} .unit=${unit} .metrics=${metrics} .range=${this.#range}></unit-chart>`,
    );
  }

  /** An alert that is over is shown with what was before and after; one that rings follows the live edge. */
  protected override willUpdate(changed: PropertyValues<this>): void {
    const alert = plant.alerts.get(this.alert);
    const frame = `${this.alert} ${alert?.active}`;
    if (!alert || (!changed.has("alert") && frame === this.#framed) || frame === this.#framed) return;
    this.#framed = frame;
    this.#range = new Range();
    const end = millis(alert.cleared_at);
    if (!alert.active && end !== null) {
      this.#range.zoom.value = { from: (millis(alert.began_at) ?? end) - MARGIN_MS, to: end + MARGIN_MS };
    }
  }

  #story(alert: Alert) {
    const steps: { at: number; words: string; by?: string; note?: string }[] = [];
    const add = (time: string | null, words: string) => {
      const at = millis(time);
      if (at !== null) steps.push({ at, words });
    };
    add(alert.began_at, "the condition became true");
    add(alert.raised_at, "raised");
    add(alert.cleared_at, "cleared");
    const told = new Set(alert.comments.map(({ action }) => action));
    if (!told.has("ack") && !told.has("acknowledge") && alert.acknowledged_at) {
      steps.push({ at: millis(alert.acknowledged_at) ?? 0, words: "acknowledged", by: alert.acknowledged_by ?? "" });
    }
    for (const { at, by, action, note } of alert.comments) {
      const words =
        {
          ack: "acknowledged",
          acknowledge: "acknowledged",
          shelve: "shelved",
          unshelve: "put back in service",
          comment: "commented",
        }[action] ?? action;
      steps.push({ at: millis(at) ?? 0, words, by, note });
    }
    steps.sort((a, b) => a.at - b.at);
    return html`<ol class="story" data-testid="story">${steps.map(
      ({ at, words, by, note }) =>
        html`<li><time>${formatTime(at, now.value)}</time><span>${words}${by ? html` by <b>${by}</b>` : nothing}${note ? html`<q>${note}</q>` : nothing}</span></li>`,
    )}</ol>`;
  }
}
customElements.define("alert-detail", AlertDetail);
