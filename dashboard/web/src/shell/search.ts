import { computed, signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { whatOf } from "../alerts/words";
import { plant } from "../plant/plant";
import { readZones, zones } from "../zones/zone-book";
import { type Found, find } from "./find";
import { icon, severityIcon } from "./icons";
import { Live } from "./live";
import { go, paths } from "./route";

/** Search over devices, open alerts, rules and zones, from anywhere with `/`. */
export class PageSearch extends Live {
  readonly #text = signal("");
  readonly #chosen = signal(0);
  readonly #found = computed(() => find(this.#text.value, this.#things()));

  override render() {
    const found = this.#found.value;
    const chosen = Math.min(this.#chosen.value, found.length - 1);
    const isOpen = this.#text.value.trim() !== "";
    return html`<div class="search" role="search">
      ${icon("search")}
      <input type="search" placeholder="Search" aria-label="Search devices, alerts, rules and zones" role="combobox" aria-expanded=${isOpen}
        aria-controls="search-found" aria-activedescendant=${found.length ? `found-${chosen}` : nothing} autocomplete="off" spellcheck="false"
        data-testid="search" .value=${this.#text.value} @focus=${this.#begin} @input=${this.#type} @keydown=${this.#press} @blur=${this.#leave}>
      <kbd aria-hidden="true">/</kbd>
      ${
        isOpen
          ? html`<ul id="search-found" role="listbox" @pointerdown=${(event: Event) => event.preventDefault()}>
            ${found.map(
              (
                thing,
                i,
              ) => html`<li id="found-${i}" role="option" aria-selected=${i === chosen} @click=${() => this.#open(thing)}>
                <span>${thing.label}</span><small>${thing.kind}</small>${thing.kind === "device" ? this.#severity(thing.label) : nothing}
              </li>`,
            )}
            ${found.length ? nothing : html`<li class="dim">Nothing is called that.</li>`}
          </ul>`
          : nothing
      }
    </div>`;
  }

  #severity(device: string) {
    const alert = plant.alerts.worstByDevice.value.get(device);
    return alert ? severityIcon(alert.severity) : nothing;
  }

  *#things(): Generator<Found> {
    for (const id of plant.fleet.ids.value) yield { kind: "device", label: id, path: paths.device(id) };
    for (const rule of plant.rules.all.value) yield { kind: "rule", label: rule.name, path: paths.rule(rule.name) };
    for (const { name } of zones.value ?? []) yield { kind: "zone", label: name, path: paths.zone(name) };
    for (const alert of plant.alerts.open.value) {
      yield { kind: "alert", label: `${alert.subject} ${whatOf(alert)}`, path: paths.alert(alert.id) };
    }
  }

  /** Zones are read when somebody begins to search: few pages need them. */
  readonly #begin = (): void => void readZones();

  readonly #type = (event: InputEvent): void => {
    this.#text.value = (event.target as HTMLInputElement).value;
    this.#chosen.value = 0;
  };

  readonly #press = (event: KeyboardEvent): void => {
    const found = this.#found.peek();
    if (event.key === "ArrowDown") this.#chosen.value = Math.min(this.#chosen.value + 1, found.length - 1);
    else if (event.key === "ArrowUp") this.#chosen.value = Math.max(this.#chosen.value - 1, 0);
    else if (event.key === "Enter") {
      const thing = found[this.#chosen.value];
      if (thing) this.#open(thing);
    } else if (event.key === "Escape") (event.target as HTMLElement).blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  readonly #leave = (): void => {
    this.#text.value = "";
  };

  #open(thing: Found): void {
    this.querySelector("input")?.blur();
    go(thing.path);
  }
}
customElements.define("page-search", PageSearch);
