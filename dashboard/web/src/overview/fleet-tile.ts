import { signal } from "@preact/signals-core";
import { html, noChange, nothing } from "lit";
import { shapeOf } from "../alerts/words";
import { now } from "../plant/clock";
import type { Device } from "../plant/device";
import { plant } from "../plant/plant";
import { formatAge } from "../reading/age";
import { type Limit, scaleFor } from "../reading/limits";
import { SLOT_MS } from "../reading/trail";
import { trendOf } from "../reading/trend";
import { metricLabel } from "../reading/unit";
import { severityIcon, trendArrow } from "../shell/icons";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import { palette } from "../shell/theme";
import { fillTrail } from "./history";
import { limitsBar } from "./limits-bar";
import { presenceMark } from "./presence";
import { primarySeries } from "./primary";
import { drawSparkline, whenSized } from "./sparkline";

/** One device at a glance. It has content and listens only while its group says that it is on the screen. */
export class FleetTile extends Live {
  static override properties = { device: {} };
  declare device: string;
  readonly visible = signal(false);
  #drawn = "";
  #canvas: HTMLCanvasElement | null = null;

  /** Focuses the link inside, which is there only once the tile is on the screen. */
  override focus(options?: FocusOptions): void {
    this.visible.value = true;
    this.scrollIntoView({ block: "nearest" });
    void this.updateComplete.then(() => this.querySelector("a")?.focus(options));
  }

  override render() {
    if (!this.visible.value) return this.contains(document.activeElement) ? noChange : nothing;
    const device = plant.fleet.get(this.device);
    if (!device) return nothing;
    device.revision.value;
    palette.value;
    const limits = plant.rules.limitsOf(device);
    const alert = plant.alerts.worstByDevice.value.get(device.id);
    const main = primarySeries(device, limits, alert, alert && plant.rules.get(alert.rule));
    const rest = [...device.series.values()].filter((series) => series !== main).slice(0, 3);
    return html`<a class="tile" href=${paths.device(device.id)} data-device=${device.id} data-testid="tile"
      data-severity=${alert?.severity ?? nothing} ?data-ringing=${alert?.active} data-life=${alert ? shapeOf(alert) : nothing} data-unacknowledged=${alert && !alert.acknowledged ? "" : nothing}
      data-freshness=${device.freshness} data-connection=${device.connection}>
      <span class="who">${alert ? severityIcon(alert.severity) : nothing}<b>${device.id}</b>${presenceMark(device, now.value)}</span>
      ${
        main
          ? html`<span class="what" title="${metricLabel(main.metric)}, ${formatAge(now.value - main.time)} old">
              <span class="value"><b data-testid="tile-value">${main.text}</b><span class="unit">${main.unit}</span></span>
              ${device.freshness === "fresh" ? trendArrow(trendOf(main.trail, spanOf(limits, main.metric))) : nothing}
              ${main.isNumeric ? html`<canvas aria-hidden="true"></canvas>` : nothing}
            </span>
            ${limitsBar(main, limits)}
            <span class="rest">${rest.map(
              (series) =>
                html`<span title=${metricLabel(series.metric)}>${series.isNumeric ? nothing : `${metricLabel(series.metric)} `}${series.text}${series.unit ? html`<span class="unit">${series.unit}</span>` : nothing}</span>`,
            )}</span>`
          : html`<span class="what dim">no readings yet</span>`
      }
    </a>`;
  }

  override updated(): void {
    const device = this.visible.peek() ? plant.fleet.get(this.device) : undefined;
    if (device) this.#draw(device);
  }

  #draw(device: Device): void {
    const canvas = this.querySelector("canvas");
    const alert = plant.alerts.worstByDevice.peek().get(device.id);
    const main = primarySeries(device, plant.rules.limitsOf(device), alert, alert && plant.rules.get(alert.rule));
    if (!canvas || !main) return;
    fillTrail(device, main, () => this.visible.peek() && this.isConnected);
    const slot = Math.floor(now.peek() / SLOT_MS);
    const ink = alert?.active ? `${alert.severity}-ink` : "trace";
    // The clock ticks and other metrics come without a change to what is drawn.
    const drawn = `${main.metric} ${main.time} ${main.trail.filled} ${slot} ${ink} ${palette.peek()}`;
    if (drawn === this.#drawn && canvas === this.#canvas) return;
    this.#drawn = drawn;
    this.#canvas = canvas;
    whenSized(canvas, (size) => drawSparkline(canvas, size, main.trail, slot, ink));
  }
}
customElements.define("fleet-tile", FleetTile);

/** The distance that matters for a metric's trend: that of its limits bar. */
function spanOf(limits: readonly Limit[], metric: string): number | undefined {
  const scale = scaleFor(limits.filter((limit) => limit.metric === metric));
  return scale ? scale.high - scale.low : undefined;
}
