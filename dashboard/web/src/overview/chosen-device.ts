import { computed } from "@preact/signals-core";
import { html, nothing } from "lit";
import { Range } from "../chart/range";
import "../device/device-view";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { Live } from "../shell/live";
import { paths, query, setQuery } from "../shell/route";
import { presenceWords } from "./presence";

/** Of more devices a list is no choice: they are searched, and the charts follow the alarms. */
const MOST_LISTED = 500;

/** The device that was chosen; until then the one that rings most urgently, else the first. */
const chosen = computed(() => {
  const asked = query.value.get("charts");
  const ids = plant.fleet.ids.value;
  if (asked !== null && ids.includes(asked)) return { id: asked, follows: false };
  const [ringing] = plant.alerts.worstByDevice.value.keys();
  return { id: ringing ?? ids[0], follows: true };
});

/** Live charts of every numeric metric of one device, beside the fleet. */
export class ChosenDevice extends Live {
  readonly #range = new Range();

  override render() {
    const { id, follows } = chosen.value;
    if (id === undefined) return nothing;
    const device = plant.fleet.get(id);
    const ids = plant.fleet.ids.value;
    return html`<section class="chosen" aria-labelledby="chosen-title" data-testid="chosen-device">
      <header>
        <h2 id="chosen-title"><a href=${paths.device(id)} data-testid="chosen-name">${id}</a></h2>
        ${
          ids.length > MOST_LISTED
            ? nothing
            : html`<select aria-label="Device whose charts are shown" @change=${this.#choose}>
              <option value="" .selected=${follows}>what rings</option>
              ${ids.map((each) => html`<option value=${each} .selected=${!follows && each === id}>${each}</option>`)}
            </select>`
        }
      </header>
      <p class="dim">${device ? presenceWords(device, now.value) : ""}</p>
      <device-charts .device=${id} .range=${this.#range}></device-charts>
    </section>`;
  }

  readonly #choose = (event: Event): void => {
    setQuery({ charts: (event.target as HTMLSelectElement).value || null });
  };
}
customElements.define("chosen-device", ChosenDevice);
