import { signal } from "@preact/signals-core";
import { html, nothing, svg, type TemplateResult } from "lit";
import { plant } from "../plant/plant";
import { formatCount } from "../reading/number";
import { severityMark } from "../shell/icons";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import type { Zone, ZoneFeature } from "../wire/contract";
import { type Outline, outlineOf, Plan } from "./outline";
import { positions, zones } from "./zone-book";

const [LEAST, MOST, MARGIN] = [160, 420, 30];

/** All zones and the devices that say where they are, north up, in points of the screen. */
export class ZonePlan extends Live {
  static override properties = { chosen: {}, written: { attribute: false } };
  /** The zone that stands out. */
  declare chosen: string | null;
  /** What is being written, in place of the chosen one. */
  declare written: readonly ZoneFeature[];

  readonly #width = signal(0);
  readonly #size = new ResizeObserver(() => {
    this.#width.value = this.clientWidth;
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
    const width = this.#width.value;
    const written = (this.written ?? []).map(outlineOf);
    const shown = (zones.value ?? [])
      .filter(({ name }) => !(written.length && name === this.chosen))
      .map((zone) => ({ zone, outline: outlineOf(zone.feature) }));
    const devices = positions();
    if (width === 0 || shown.length + written.length + devices.length === 0) return nothing;
    const height = Math.round(Math.min(Math.max(width / 2, LEAST), MOST));
    const outlines = [...shown.map(({ outline }) => outline), ...written];
    const places = devices.map(({ place }) => place);
    const plan = new Plan(outlines, places, width, height, MARGIN);
    return html`<svg width=${width} height=${height} role="img" aria-label=${label(shown.length, devices.length)} data-testid="zone-plan">
      ${shown.map(({ zone, outline }) => this.#zone(zone, outline, plan))} ${shown.map(({ zone, outline }) => name(zone, outline, plan))}
      ${written.map((outline) => svg`<path class="zone written" data-chosen d=${plan.path(outline)}></path>`)}
      ${devices.map(({ device, place }) => {
        const [x, y] = plan.at(place);
        const alert = plant.alerts.worstByDevice.value.get(device.id);
        return svg`<a href=${paths.device(device.id)} tabindex="-1" class="device"><title>${device.id}</title>${
          alert
            ? svg`<g class="severity-icon" data-severity=${alert.severity} transform="translate(${x - 9} ${y - 9}) scale(0.9)">${severityMark(alert.severity)}</g><text x=${x + 12} y=${y + 4}>${device.id}</text>`
            : svg`<circle class="dot" data-freshness=${device.freshness} cx=${x} cy=${y} r="4"></circle>`
        }</a>`;
      })}
      ${scale(plan, height)}
    </svg>`;
  }

  #zone(zone: Zone, outline: Outline, plan: Plan) {
    return svg`<a href=${paths.zone(zone.name)} tabindex="-1"><path class="zone" ?data-chosen=${zone.name === this.chosen} data-zone=${zone.name} d=${plan.path(outline)}></path></a>`;
  }
}
customElements.define("zone-plan", ZonePlan);

/** After all outlines, so that none lies over a name. */
function name(zone: Zone, outline: Outline, plan: Plan) {
  const [x, y] = plan.top(outline);
  return svg`<text x=${x} y=${y - 6} text-anchor="middle">${zone.name}</text>`;
}

/** A zone alone, small. */
export function zoneSketch(feature: ZoneFeature): TemplateResult {
  const outline = outlineOf(feature);
  const plan = new Plan([outline], [], 44, 32, 3);
  return html`<svg class="sketch" viewBox="0 0 44 32" aria-hidden="true"><path class="zone" d=${plan.path(outline)}></path></svg>`;
}

function scale(plan: Plan, height: number) {
  const { metres, points } = plan.scaleBar();
  const words = metres >= 1000 ? `${formatCount(metres / 1000)} km` : `${metres} m`;
  return svg`<g class="scale" transform="translate(12 ${height - 10})"><path d="M0 -4V0H${points}V-4"></path><text x=${points + 6} y="1">${words}</text></g>`;
}

function label(count: number, devices: number): string {
  const places = devices === 1 ? "1 device" : `${formatCount(devices)} devices`;
  return `Plan of ${count === 1 ? "1 zone" : `${formatCount(count)} zones`} and ${places}`;
}
