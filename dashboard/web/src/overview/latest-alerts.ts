import { html, nothing } from "lit";
import { act } from "../alerts/ask";
import { lifeOf, shapeOf, whatBesideRule, whatOf } from "../alerts/words";
import { needsAcknowledgement, rangAt } from "../plant/alerts";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatTime } from "../reading/age";
import { isAbout } from "../reading/tags";
import { severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import type { Alert } from "../wire/contract";

/** The list of all alerts is one click away; here they leave room for charts. */
const SHOWN = 6;
const SHOWN_OF_DEVICE = 14;

/** Those about a device, or about a group that it is in. */
export function alertsOf(id: string, alerts: readonly Alert[]): Alert[] {
  const device = plant.fleet.get(id);
  return alerts.filter((alert) => isAbout(alert, id, device?.tags ?? {}, plant.rules.get(alert.rule), device?.profile));
}

/** The last alerts, newest first, cleared ones too. Of one device where `device` is given. */
export class LatestAlerts extends Live {
  static override properties = { device: {} };
  declare device: string | undefined;

  override render() {
    const all = plant.alerts.newestFirst.value;
    const alerts =
      this.device === undefined ? all.slice(0, SHOWN) : alertsOf(this.device, all).slice(0, SHOWN_OF_DEVICE);
    return html`<section class="panel latest" aria-labelledby="latest-title" data-testid="latest-alerts">
      <h2 id="latest-title">${this.device === undefined ? "Last alerts" : "Its alerts"}</h2>
      ${alerts.length ? html`<ol>${alerts.map((alert) => this.#item(alert))}</ol>` : html`<p class="dim">${plant.fleet.known.value ? "None yet." : ""}</p>`}
      ${all.length > SHOWN && this.device === undefined ? html`<a class="all" href=${paths.alerts()}>All alerts</a>` : nothing}
    </section>`;
  }

  #item(alert: Alert) {
    const waits = needsAcknowledgement(alert);
    return html`<li data-alert=${alert.id} data-severity=${alert.severity} data-state=${alert.state} data-life=${shapeOf(alert)}>
      <a href=${paths.alert(alert.id)}>
        ${severityIcon(alert.severity)}
        <span class="what"><b>${this.device === undefined ? alert.subject : alert.rule}</b> ${this.device !== undefined && alert.device === null ? `${alert.subject} ` : ""}${this.device === undefined ? whatOf(alert) : whatBesideRule(alert)}</span>
        <span class="when"><time>${formatTime(rangAt(alert), now.value)}</time> ${lifeOf(alert)}${alert.acknowledged_by ? ` · ${alert.acknowledged_by}` : ""}</span>
      </a>
      ${waits ? html`<button class="ack" @click=${() => act(alert, "ack")} aria-label="Ack ${alert.subject}, ${alert.rule}">Ack</button>` : nothing}
    </li>`;
  }
}
customElements.define("latest-alerts", LatestAlerts);
