import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { needsAcknowledgement, rangAt } from "../plant/alerts";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatDuration, formatTime } from "../reading/age";
import { formatCount } from "../reading/number";
import { severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { go, paths, query, setQuery } from "../shell/route";
import { api } from "../wire/api";
import { type Alert, millis, SEVERITIES } from "../wire/contract";
import "./alert-detail";
import { act, ask } from "./ask";
import { filterAlerts, isIn, readFilter, STATES } from "./filter";
import "./maintenance";
import { concerned, type Line, linesOf, type Storm, standingOf } from "./storms";
import { lifeOf, readOf, shapeOf, whatBesideRule } from "./words";
import "./alerts.css";

/** Rows drawn at first; a storm has thousands. */
const PAGE = 200;
const LATELY = 10;

/** Every alert, what was done about it, and what is still to be done. */
export class AlertsView extends Live {
  static override properties = { chosen: {} };
  declare chosen: string | null;
  readonly #shown = signal(PAGE);
  readonly #clearedAsked = signal(false);

  override render() {
    const filter = readFilter(query.value);
    if (filter.state === "cleared" || filter.state === "all") void this.#readCleared();
    const all = plant.alerts.all.value.filter((alert) => alert.raised_at !== null || filter.state === "all");
    const alerts = filterAlerts(all, filter);
    const isByTime = filter.state === "cleared" || filter.state === "all";
    const lines: Line[] = isByTime ? alerts.map((alert) => ({ alert })) : linesOf(alerts, query.value.get("storm"));
    return html`<h1>Alerts</h1>
      <div class="alerts ${this.chosen ? "with-detail" : ""}">
        <section class="list" aria-label="Alerts">
          <div class="toolbar">
            <div class="segments" role="group" aria-label="State" data-testid="alert-states">
              ${STATES.map(
                ([
                  name,
                  label,
                ]) => html`<button aria-pressed=${name === filter.state} data-testid="state-${name}" @click=${() => this.#filter({ state: name === "open" ? null : name })}>
                  ${label} ${name === "all" || name === "cleared" ? nothing : html`<b>${formatCount(all.filter((alert) => isIn(name, alert)).length)}</b>`}</button>`,
              )}
            </div>
            <div class="segments" role="group" aria-label="Severity">
              ${SEVERITIES.map(
                (severity) =>
                  html`<button aria-pressed=${filter.severity === severity} title=${severity} @click=${() => this.#filter({ severity: filter.severity === severity ? null : severity })}>${severityIcon(severity)}</button>`,
              )}
            </div>
            <input type="search" placeholder="Subject, rule or words" aria-label="Filter by subject, rule or words" .value=${filter.text}
              @input=${(event: InputEvent) => this.#filter({ q: (event.target as HTMLInputElement).value || null })}>
          </div>
          ${lines.length ? this.#table(lines.slice(0, this.#shown.value)) : this.#none(filter.state)}
          ${lines.length > this.#shown.value ? html`<button class="more" @click=${() => (this.#shown.value += PAGE)}>${formatCount(lines.length - this.#shown.value)} more</button>` : nothing}
          ${filter.state === "open" ? this.#lately(all) : nothing}
          ${isByTime ? nothing : html`<maintenance-list></maintenance-list>`}
        </section>
        ${this.chosen ? html`<alert-detail .alert=${this.chosen}></alert-detail>` : nothing}
      </div>`;
  }

  #table(lines: readonly Line[], name = "alert-table") {
    return html`<div class="scroll"><table class="alert-table" data-testid=${name}>
      <thead><tr><th><span class="unseen">Severity</span></th><th>Subject</th><th>What</th><th class="number wide">Value</th><th>Since</th><th>State</th><th><span class="unseen">Actions</span></th></tr></thead>
      <tbody>${repeat(
        lines,
        ({ alert, storm }) => alert?.id ?? `storm ${storm?.rule}`,
        ({ alert, storm }) => (alert ? this.#row(alert) : storm ? this.#stormRow(storm) : nothing),
      )}</tbody>
    </table></div>`;
  }

  /** Below what is open: what was, a short while ago. */
  #lately(all: readonly Alert[]) {
    const cleared = filterAlerts(all, { ...readFilter(query.value), state: "cleared" }).slice(0, LATELY);
    if (cleared.length === 0) return nothing;
    return html`<h2 class="lately">Cleared lately</h2>${this.#table(
      cleared.map((alert) => ({ alert })),
      "cleared-lately",
    )}`;
  }

  /** Many alerts of one rule. It is chosen, opened and acknowledged as one alert is. */
  #stormRow({ rule, alerts }: Storm) {
    const [first] = alerts;
    if (!first) return nothing;
    const isOpen = query.value.get("storm") === rule;
    const toAck = concerned("ack", alerts);
    const toShelve = concerned("shelve", alerts);
    const since = alerts.reduce((earliest, alert) => Math.min(earliest, rangAt(alert)), Number.POSITIVE_INFINITY);
    return html`<tr class="storm" data-item tabindex="0" data-storm=${rule} data-severity=${first.severity} data-life=${shapeOf(first)} data-testid="storm"
      aria-expanded=${isOpen} @click=${this.#toggle} @keydown=${this.#toggleByKey}>
      <td>${severityIcon(first.severity)}</td>
      <td class="subject"><b>${formatCount(alerts.length)}</b> alerts</td>
      <td class="what"><span>${rule}</span> <small class="dim">last: ${newestOf(alerts).subject} ${whatBesideRule(newestOf(alerts))}</small></td>
      <td class="number wide"></td>
      <td class="since"><time>${formatTime(since, now.value)}</time> <small class="dim">${formatDuration(now.value - since)}</small></td>
      <td class="state">${standingOf(alerts, lifeOf).map(([life, count], i) => html`${i ? " · " : ""}${formatCount(count)} ${life}`)}</td>
      <td class="actions">
        ${toAck.length ? html`<button class="ack" data-testid="ack-all" @click=${() => ask("ack", ...toAck)} aria-label="Ack all ${toAck.length} of ${rule}">Ack all</button>` : nothing}
        ${toShelve.length ? html`<button data-testid="shelve-all" @click=${() => ask("shelve", ...toShelve)} aria-label="Shelve all ${toShelve.length} of ${rule}">Shelve all</button>` : nothing}
        <button class="bare" tabindex="-1" aria-hidden="true" data-testid="open-storm" @click=${this.#toggle}>${isOpen ? "−" : "+"}</button>
      </td>
    </tr>`;
  }

  readonly #toggle = (event: Event): void => {
    const from = event.target as Element;
    if (from.closest("button") && event.currentTarget !== from) return;
    event.stopPropagation();
    const rule = from.closest<HTMLElement>("[data-storm]")?.dataset.storm ?? null;
    setQuery({ storm: query.peek().get("storm") === rule ? null : rule });
  };

  readonly #toggleByKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && event.target === event.currentTarget) this.#toggle(event);
  };

  #row(alert: Alert) {
    const ended = millis(alert.cleared_at);
    return html`<tr data-item tabindex="0" data-alert=${alert.id} data-severity=${alert.severity} data-state=${alert.state} data-testid="alert-row"
      data-life=${shapeOf(alert)} aria-selected=${alert.id === this.chosen}
      @click=${this.#open} @keydown=${this.#openByKey}>
      <td>${severityIcon(alert.severity)}</td>
      <td class="subject"><a tabindex="-1" href=${paths.alert(alert.id) + location.search}>${alert.subject}</a></td>
      <td class="what"><span>${whatBesideRule(alert)}</span> <small class="dim">${alert.rule}${alert.durable ? "" : " · not saved yet"}</small></td>
      <td class="number wide">${readOf(alert, plant.rules.get(alert.rule)?.when)}</td>
      <td class="since"><time>${formatTime(rangAt(alert), now.value)}</time> <small class="dim">${formatDuration((ended ?? now.value) - rangAt(alert))}</small></td>
      <td class="state">${lifeOf(alert)}${(alert.rings ?? 0) > 1 ? html` <small class="dim">rang ${alert.rings}×</small>` : nothing}${alert.suppressed_by ? html` <small class="dim">by ${alert.suppressed_by}</small>` : nothing}${alert.acknowledged_by ? html` <small class="dim">${alert.acknowledged_by}</small>` : nothing}</td>
      <td class="actions">
        ${needsAcknowledgement(alert) ? html`<button class="ack" data-testid="ack" @click=${() => ask("ack", alert)} aria-label="Ack ${alert.subject}, ${alert.rule}">Ack</button>` : nothing}
        ${alert.latched ? html`<button data-testid="reset" @click=${() => ask("reset", alert)} aria-label="Reset ${alert.subject}, ${alert.rule}">Reset</button>` : nothing}
        ${alert.suppression === "shelved" ? html`<button @click=${() => act(alert, "unshelve")}>Unshelve</button>` : alert.state !== "cleared" ? html`<button data-testid="shelve" @click=${() => ask("shelve", alert)} aria-label="Shelve ${alert.subject}, ${alert.rule}">Shelve</button>` : nothing}
      </td>
    </tr>`;
  }

  #none(state: string) {
    const words = {
      open: "No open alerts.",
      unacknowledged: "Every open alert is acknowledged.",
      shelved: "Nothing is shelved.",
      cleared: "No alert has cleared yet.",
      all: "No alerts.",
    }[state];
    return html`<p class="nothing" data-testid="no-alerts">${plant.fleet.known.value ? words : ""}</p>`;
  }

  #filter(changes: Record<string, string | null>): void {
    this.#shown.value = PAGE;
    setQuery(changes);
  }

  readonly #open = (event: Event): void => {
    if ((event.target as Element).closest("a, button")) return;
    const row = (event.currentTarget as HTMLElement).dataset.alert;
    if (row) go(paths.alert(row) + location.search);
  };

  readonly #openByKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && event.target === event.currentTarget) this.#open(event);
  };

  /** Cleared alerts from before this page was opened, once. */
  async #readCleared(): Promise<void> {
    if (this.#clearedAsked.peek()) return;
    this.#clearedAsked.value = true;
    try {
      for (const alert of await api.clearedAlerts()) plant.alerts.take(alert);
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define("alerts-view", AlertsView);

function newestOf(alerts: readonly Alert[]): Alert {
  return alerts.reduce((newest, alert) => (rangAt(alert) > rangAt(newest) ? alert : newest));
}
