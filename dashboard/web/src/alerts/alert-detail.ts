import { signal } from "@preact/signals-core";
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
import { api } from "../wire/api";
import { type Alert, millis, type Seen, type Transition } from "../wire/contract";
import { act, ask } from "./ask";
import "./receipts";
import { eventOf, lifeOf, readOf, shapeOf, whatOf } from "./words";

/** How much is drawn before and after an alert that is over. */
const MARGIN_MS = 120_000;

/** One alert and its evidence: the rule with the values it read, the readings around it, who did what. */
export class AlertDetail extends Live {
  static override properties = { alert: {} };
  declare alert: string;
  #range = new Range();
  #framed = "";
  readonly #stories = signal<{ alert: string; revision: number; steps: readonly Transition[] }>({
    alert: "",
    revision: 0,
    steps: [],
  });

  override render() {
    const alert = plant.alerts.get(this.alert);
    if (!alert) {
      return html`<section class="detail panel">${plant.fleet.known.value ? html`<p class="nothing">This alert is not known here. It may be older than what is kept.</p>` : nothing}</section>`;
    }
    void this.#readStory(alert);
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
        ${alert.latched ? html`<button class="primary" @click=${() => ask("reset", alert)} data-testid="detail-reset">Reset…</button>` : nothing}
        ${outOfService(alert)}
        ${alert.suppression === "shelved" ? html`<button @click=${() => act(alert, "unshelve")}>Unshelve</button>` : alert.state !== "cleared" ? html`<button @click=${() => ask("shelve", alert)}>Shelve…</button>` : nothing}
        <button @click=${() => ask("comment", alert)} data-testid="comment">Comment…</button>
      </div>
      ${
        rule
          ? html`<h3>Rule <a href=${paths.rule(rule.name)}>${rule.name}</a></h3><pre>${rule.when}</pre>
            ${this.#values(alert, rule.when)}`
          : html`<h3>Rule ${alert.rule}</h3><p class="dim">${alert.rule.startsWith("tocsin.") ? "Tocsin's own alarm." : "This rule is not there any more."}</p>`
      }
      ${rule ? this.#charts(alert, rule.when) : nothing}
      <h3>What happened</h3>
      ${this.#story(alert)}
      <alert-receipts .alert=${alert.id} .revision=${alert.revision}></alert-receipts>
    </section>`;
  }

  #values(alert: Alert, when: string) {
    const device = alert.device ? plant.fleet.get(alert.device) : undefined;
    if (!device) return nothing;
    device.revision.value;
    const [metric = ""] = metricsIn(when);
    const unit = device.series.get(metric)?.unit ?? "";
    return html`<dl class="values">
      <div><dt>when it began</dt><dd><b>${readOf(alert, when)}</b>${typeof alert.value === "number" ? html`<span class="unit">${unit}</span>` : nothing}</dd></div>
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

  /** What happened, from the server's own record of it; until that is here, what the alert itself says. */
  #story(alert: Alert) {
    const steps: {
      at: number;
      words: string;
      by?: string;
      note?: string;
      saw?: string;
      started?: string;
      devices?: readonly string[];
    }[] = [];
    const story = this.#stories.value;
    if (story.alert === alert.id && story.steps.length) {
      for (const step of story.steps) {
        const { at, by, event, note, state, devices, shelved_until, started_by } = step;
        const who = by === "tocsin" ? "" : by;
        steps.push({
          at: millis(at) ?? 0,
          words:
            event === "holds" && state === "active"
              ? "rang: the condition became true"
              : event === "shelve" && shelved_until
                ? `shelved until ${formatTime(millis(shelved_until) ?? 0, now.value)}`
                : eventOf(event),
          by: who,
          note,
          saw: textOf(step),
          started: started_by ? textOf(started_by) : "",
          devices,
        });
      }
    } else {
      const add = (time: string | null, words: string) => {
        const at = millis(time);
        if (at !== null) steps.push({ at, words });
      };
      add(alert.began_at, "the condition became true");
      add(alert.raised_at, "raised");
      add(alert.cleared_at, "cleared");
      for (const { at, by, action, note } of alert.comments) {
        steps.push({ at: millis(at) ?? 0, words: eventOf(action), by, note });
      }
    }
    steps.sort((a, b) => a.at - b.at);
    return html`<ol class="story" data-testid="story">${steps.map(
      ({ at, words, by, note, saw, started, devices }) =>
        html`<li><time>${formatTime(at, now.value)}</time><span>${words}${by ? html` by <b>${by}</b>` : nothing}${note ? html`<q>${note}</q>` : nothing}${saw ? html`<br><small class="dim">${saw}</small>` : nothing}${devices?.length ? html`<br><small>${devices.map((device, i) => html`${i ? ", " : ""}<a href=${paths.device(device)}>${device}</a>`)}</small>` : nothing}${started && started !== saw ? html`<br><small class="dim">started by ${started}</small>` : nothing}</span></li>`,
    )}</ol>`;
  }

  async #readStory(alert: Alert): Promise<void> {
    const { id, revision } = alert;
    const known = this.#stories.peek();
    if (known.alert === id && known.revision === revision) return;
    const steps = known.alert === id ? known.steps : [];
    this.#stories.value = { alert: id, revision, steps };
    try {
      const read = await api.transitions(id);
      if (this.#stories.peek().revision === revision && this.#stories.peek().alert === id)
        this.#stories.value = { alert: id, revision, steps: read };
    } catch {
      // Too old to be kept, or the server cannot be reached: the alert itself says the most of it.
    }
  }
}

function textOf({ readings, windows }: Seen): string {
  return [
    ...Object.entries(readings).map(([metric, { value }]) => `${metric} ${formatValue(value)}`),
    ...Object.entries(windows).map(([call, value]) => `${call} ${formatValue(value)}`),
  ].join(" · ");
}

function outOfService(alert: Alert) {
  if (alert.state === "cleared") return nothing;
  if (alert.suppression === "suppressed" && !alert.suppressed_by)
    return html`<button @click=${() => act(alert, "unsuppress")}>Unsuppress</button>`;
  if (alert.suppression === "out_of_service")
    return alert.suppressed_by
      ? nothing
      : html`<button @click=${() => act(alert, "in_service")}>Back in service</button>`;
  return html`<button @click=${() => ask("out_of_service", alert)}>Out of service…</button>`;
}
customElements.define("alert-detail", AlertDetail);
