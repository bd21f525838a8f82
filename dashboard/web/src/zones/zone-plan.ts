import { html, nothing, svg, type TemplateResult } from "lit";
import { plant } from "../plant/plant";
import { formatCount } from "../reading/number";
import { paths } from "../shell/route";
import type { Zone, ZoneFeature } from "../wire/contract";
import { outlineOf, Plan } from "./outline";
import { positions } from "./zone-book";

const [WIDTH, HEIGHT] = [720, 360];

/** Zones and the devices that say where they are, north up. `chosen` stands out; `drawn` is what is being written. */
export function zonePlan(all: readonly Zone[], chosen: string | null, drawn: readonly ZoneFeature[] = []) {
  const devices = positions();
  const standing = all.filter(({ name }) => !(drawn.length && name === chosen));
  const outlines = standing.map(({ feature }) => outlineOf(feature));
  const written = drawn.map(outlineOf);
  if (outlines.length + written.length + devices.length === 0) return nothing;
  const plan = new Plan(
    [...outlines, ...written],
    devices.map(({ place }) => place),
    WIDTH,
    HEIGHT,
    28,
  );
  const { metres, points } = plan.scaleBar();
  return html`<figure class="plan">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${label(all.length, devices.length)} data-testid="zone-plan">
      ${standing.map((zone, index) => {
        const outline = outlines[index];
        return outline
          ? svg`<a href=${paths.zone(zone.name)} tabindex="-1"><path class="zone" ?data-chosen=${zone.name === chosen} data-zone=${zone.name} d=${plan.path(outline)}><title>${zone.name}</title></path></a>`
          : nothing;
      })}
      ${written.map((outline) => svg`<path class="zone written" data-chosen d=${plan.path(outline)}></path>`)}
      ${devices.map(({ device, place }) => {
        const [x, y] = plan.at(place);
        const alert = plant.alerts.worstByDevice.value.get(device.id);
        return svg`<a href=${paths.device(device.id)} tabindex="-1"><circle class="dot" data-severity=${alert?.severity ?? nothing} data-freshness=${device.freshness} cx=${x} cy=${y} r=${alert ? 6 : 4}><title>${device.id}</title></circle></a>`;
      })}
      <g class="scale" transform="translate(16 ${HEIGHT - 14})">
        <path d="M0 -4V0H${points}V-4"></path><text x=${points + 6} y="1">${length(metres)}</text>
      </g>
    </svg>
  </figure>`;
}

/** A zone alone, small. */
export function zoneSketch(feature: ZoneFeature): TemplateResult {
  const outline = outlineOf(feature);
  const plan = new Plan([outline], [], 44, 32, 3);
  return html`<svg class="sketch" viewBox="0 0 44 32" aria-hidden="true"><path class="zone" d=${plan.path(outline)}></path></svg>`;
}

function label(count: number, devices: number): string {
  const places = devices === 1 ? "1 device" : `${formatCount(devices)} devices`;
  return `Plan of ${count === 1 ? "1 zone" : `${formatCount(count)} zones`} and ${places}`;
}

function length(metres: number): string {
  return metres >= 1000 ? `${formatCount(metres / 1000)} km` : `${metres} m`;
}
