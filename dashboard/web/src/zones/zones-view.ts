import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Live } from "../shell/live";
import { go, paths } from "../shell/route";
import type { Zone } from "../wire/contract";
import { followZones, isEditable, sourceOf, zones } from "./zone-book";
import "./zone-form";
import { kindOf, NEW } from "./zone-form";
import { zoneSketch } from "./zone-plan";
import "./zones.css";

/** The places that rules ask for: where they are, which rules do, and who made them. */
export class ZonesView extends Live {
  static override properties = { chosen: {} };
  declare chosen: string | null;
  #unfollow = () => {};

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unfollow = followZones();
  }

  override disconnectedCallback(): void {
    this.#unfollow();
    super.disconnectedCallback();
  }

  override render() {
    const known = zones.value;
    return html`<h1>Zones</h1>
      <div class="zones ${this.chosen ? "with-detail" : ""}">
        <section class="list" aria-label="Zones">
          <div class="toolbar"><a class="button primary" href=${paths.newZone()} data-testid="add-zone">Add a zone</a></div>
          ${known?.length ? this.#table(known) : known ? this.#none() : nothing}
          ${this.chosen ? nothing : html`<zone-plan .chosen=${null}></zone-plan>`}
        </section>
        ${known && this.chosen ? this.#form(known, this.chosen) : nothing}
      </div>`;
  }

  #none() {
    return html`<p class="nothing">There are no zones. One is a circle or a polygon that rules ask for, as in <code>inside('yard')</code> or <code>outside('yard')</code>,
      of devices that send <code>lat</code> and <code>lon</code>.</p>`;
  }

  #form(known: readonly Zone[], chosen: string) {
    if (chosen === NEW) return html`<zone-form .zone=${null}></zone-form>`;
    const zone = known.find(({ name }) => name === chosen);
    if (!zone) return html`<section class="panel detail"><p class="nothing">No zone is called ${chosen}.</p></section>`;
    return html`<zone-form .zone=${zone}></zone-form>`;
  }

  #table(known: readonly Zone[]) {
    return html`<div class="scroll"><table class="zone-table" data-testid="zone-table">
      <thead><tr><th><span class="unseen">Outline</span></th><th>Zone</th><th>Used by</th><th class="source">Source</th></tr></thead>
      <tbody>${repeat(
        known,
        (zone) => zone.name,
        (
          zone,
        ) => html`<tr data-item tabindex="0" data-testid="zone-row" data-zone=${zone.name} aria-selected=${zone.name === this.chosen}
          @click=${this.#open} @keydown=${this.#openByKey}>
          <td>${zoneSketch(zone.feature)}</td>
          <td class="what"><a tabindex="-1" href=${paths.zone(zone.name)}>${zone.name}</a><small class="dim">${kindOf(zone.feature)}</small></td>
          <td>${zone.rules.length ? zone.rules.map((rule, index) => html`${index ? ", " : ""}<a class="rule" href=${paths.rule(rule)}>${rule}</a>`) : html`<span class="dim">no rule</span>`}</td>
          <td class="source dim">${isEditable(zone) ? "page" : sourceOf(zone)}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }

  readonly #open = (event: Event): void => {
    if ((event.target as Element).closest("a, button")) return;
    const zone = (event.currentTarget as HTMLElement).dataset.zone;
    if (zone) go(paths.zone(zone));
  };

  readonly #openByKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && event.target === event.currentTarget) this.#open(event);
  };
}
customElements.define("zones-view", ZonesView);
