import { html, nothing } from "lit";
import { act } from "../alerts/ask";
import { whatOf } from "../alerts/words";
import { rangAt } from "../plant/alerts";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatAge, formatDuration } from "../reading/age";
import { metricsIn } from "../reading/limits";
import { formatCount, formatRate, formatShare } from "../reading/number";
import { trendOf } from "../reading/trend";
import { type Alert, SEVERITIES } from "../wire/contract";
import { severityIcon, trendArrow } from "./icons";
import { Live } from "./live";
import { paths } from "./route";
import { stream } from "./session";
import { type Trouble, troublesOf } from "./troubles";

/** Is anything wrong? Counts by severity, the alert to acknowledge first, how fast and how live all this is. */
export class PageBanner extends Live {
  readonly #size = new ResizeObserver(() => {
    document.documentElement.style.setProperty("--banner", `${this.offsetHeight}px`);
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#size.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#size.disconnect();
  }

  override render() {
    return html`<header class="banner">
        <a class="brand" href=${paths.overview()} aria-label="Tocsin, overview">
          <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M16 4a2 2 0 0 1 2 2v.7c3.6.9 5.6 4 5.6 8 0 4.7 1.4 6.4 2.5 7.5.4.5.1 1.3-.6 1.3h-19c-.7 0-1-.8-.6-1.3 1.1-1.1 2.5-2.8 2.5-7.5 0-4 2-7.1 5.6-8V6a2 2 0 0 1 2-2Z"></path><path d="M12.5 25.5h7a3.5 3.5 0 0 1-7 0Z"></path></svg>
          <span>Tocsin</span>
        </a>
        ${this.#counts()} ${this.#worst()}
        <div class="pulse">${this.#latency()} ${this.#link()}</div>
      </header>
      ${this.#trouble()}`;
  }

  #counts() {
    const counts = plant.alerts.counts.value;
    return html`<nav class="counts" aria-label="Open alerts by severity" data-testid="severity-counts">
      ${SEVERITIES.map(
        (severity) => html`<a href="${paths.alerts()}?severity=${severity}" class=${counts[severity] ? "" : "none"}
          data-testid="count-${severity}" aria-label="${counts[severity]} open, ${severity}" title="${counts[severity]} open, ${severity}">
          ${severityIcon(severity)}<b>${formatCount(counts[severity])}</b>
        </a>`,
      )}
    </nav>`;
  }

  #worst() {
    const alert = plant.alerts.worst.value;
    if (!alert) {
      const open = plant.alerts.open.value.length;
      const calm = plant.fleet.known.value ? (open ? "All open alerts are acknowledged" : "No open alerts") : "";
      return html`<p class="worst calm" data-testid="worst-alert">${calm}</p>`;
    }
    const waiting = plant.alerts.open.value.filter((a) => !a.acknowledged && a.suppression === "none").length - 1;
    return html`<div class="worst" data-severity=${alert.severity} data-testid="worst-alert">
      <a href=${paths.alert(alert.id)}>
        <b>${alert.subject}</b> <span>${whatOf(alert)}</span>
        <span class="dim">${alert.active ? "for" : "cleared, rang for"} ${formatDuration((alert.cleared_at ? Date.parse(alert.cleared_at) : now.value) - rangAt(alert))}</span>
      </a>
      ${this.#present(alert)}
      <button class="ack" data-testid="ack-worst" @click=${() => act(alert, "ack")} title="Acknowledge (a: with a note)">Ack</button>
      ${waiting > 0 ? html`<a class="dim more" href="${paths.alerts()}?state=unacknowledged">+${formatCount(waiting)} more</a>` : nothing}
    </div>`;
  }

  /** What the metric that the alert's rule reads is now. */
  #present({ rule, device }: Alert) {
    const [metric] = metricsIn(plant.rules.get(rule)?.when ?? "");
    const at = device === null ? undefined : plant.fleet.get(device);
    const series = metric === undefined ? undefined : at?.series.get(metric);
    if (!at || !series || stream.link.value !== "live") return nothing;
    at.revision.value;
    return html`<span class="present" data-testid="worst-now">now <b>${series.text}</b><span class="unit">${series.unit}</span>
      <i>${series.isNumeric ? trendArrow(trendOf(series.trail)) : nothing}</i></span>`;
  }

  #latency() {
    const status = plant.status.value;
    if (!status || status.latency.count === 0) return nothing;
    const { count, under_250ms, p50_ms, p99_ms, max_ms } = status.latency;
    const ms = (value: number | null) =>
      value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
    return html`<span class="latency" data-testid="latency"
        title="From a reading's arrival at the server to its writing to the viewers: median ${ms(p50_ms)}, 99 % within ${ms(p99_ms)}, slowest ${ms(max_ms)}, over ${formatCount(count)} readings delivered">
        <b>${formatShare(under_250ms, count)}</b> &lt; 250 ms <span class="dim">· n=${formatCount(count)}</span>
      </span>
      <span class="rate" data-testid="rate" title="${formatRate(status.messages_per_s)} messages a second carry ${formatRate(status.readings_per_s)} readings a second">
        <b>${formatRate(status.messages_per_s)}</b><span class="unit">msg/s</span>
      </span>`;
  }

  #link() {
    const link = stream.link.value;
    const words = { connecting: "connecting", live: "live", reconnecting: "reconnecting", refused: "reconnecting" }[
      link
    ];
    return html`<span class="link" data-link=${words} data-testid="link-state" role="status"><i aria-hidden="true"></i>${words}</span>`;
  }

  /** What keeps the page or the server from doing its work, in words an operator can act on. */
  #trouble() {
    const strips = [];
    const link = stream.link.value;
    if (link === "reconnecting" || link === "refused") {
      now.value;
      strips.push(html`<p class="strip" data-tone="bad" role="alert" data-testid="strip-offline">
        <b>${plant.status.value?.stopping ? "The server was stopped." : "No connection to the server."}</b> Reconnecting; the last data came ${formatAge(Date.now() - stream.heardAt.value)} ago.
        What you see is from then. Alarms raised since are not shown here.
      </p>`);
    }
    const status = plant.status.value;
    // Of a server we do not hear, only that is known.
    if (status && strips.length === 0) strips.push(...troublesOf(status).map(strip));
    return strips;
  }
}
customElements.define("page-banner", PageBanner);

function strip({ id, tone, title, text, hide }: Trouble) {
  return html`<p class="strip" data-tone=${tone} role=${tone === "bad" ? "alert" : "status"} data-testid="strip-${id}">
    <b>${title}</b> ${text}${hide ? html` <button @click=${hide}>Seen</button>` : nothing}
  </p>`;
}
