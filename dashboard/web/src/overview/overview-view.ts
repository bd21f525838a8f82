import { computed } from "@preact/signals-core";
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import "../connect/first-device";
import { plant } from "../plant/plant";
import { type Group, groupDevices } from "../reading/groups";
import { formatCount } from "../reading/number";
import { severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { query, setQuery } from "../shell/route";
import { SEVERITIES } from "../wire/contract";
import type { FleetTile } from "./fleet-tile";
import "./chosen-device";
import "./fleet-tile";
import "./latest-alerts";
import { tilesInWindow } from "./window";
import "./overview.css";

type Show = "all" | "alarm" | "stale" | "silent" | "offline";

const byShow = computed(() => {
  plant.fleet.presence.value;
  const worst = plant.alerts.worstByDevice.value;
  const ids = plant.fleet.ids.value;
  const of = (test: (id: string) => boolean) => ids.filter(test);
  return {
    all: ids,
    alarm: of((id) => worst.has(id)),
    stale: of((id) => plant.fleet.get(id)?.freshness === "stale"),
    silent: of((id) => plant.fleet.get(id)?.freshness === "silent"),
    offline: of((id) => plant.fleet.get(id)?.connection === "offline"),
  } satisfies Record<Show, readonly string[]>;
});

const WORDS: readonly [Show, string][] = [
  ["all", "All"],
  ["alarm", "In alarm"],
  ["stale", "Stale"],
  ["silent", "Silent"],
  ["offline", "Offline"],
];

/** Groups change with membership alone: the list of the tiles is not made again because a value moved. */
const allGroups = computed(() => groupDevices(plant.fleet.ids.value));

/** Is anything wrong, and where. */
export class OverviewView extends Live {
  override render() {
    if (plant.fleet.known.value && plant.fleet.ids.value.length === 0)
      return html`<first-device class="alone"></first-device>`;
    const lists = byShow.value;
    const show = (query.value.get("show") ?? "all") as Show;
    const groups = show === "all" ? allGroups.value : groupDevices(lists[show] ?? []);
    return html`<h1 class="unseen">Overview</h1>
      <div class="fleet">
        <div class="segments" role="group" aria-label="Devices shown" data-testid="fleet-filter">
          ${WORDS.map(
            ([
              name,
              label,
            ]) => html`<button aria-pressed=${name === show} data-testid="show-${name}" ?disabled=${name !== "all" && name !== show && lists[name].length === 0}
              @click=${() => setQuery({ show: name === "all" ? null : name })}>${label} <b>${formatCount(lists[name].length)}</b></button>`,
          )}
        </div>
        ${repeat(
          groups,
          (group) => group.prefix,
          (group) => html`<fleet-group .group=${group}></fleet-group>`,
        )}
        ${groups.length === 0 && plant.fleet.known.value ? html`<p class="nothing">No device is ${show === "alarm" ? "in alarm" : show}.</p>` : nothing}
      </div>
      <aside class="beside">
        <latest-alerts></latest-alerts>
        <chosen-device></chosen-device>
      </aside>`;
  }
}
customElements.define("overview-view", OverviewView);

/** Tiles this far outside of the window are ready before they scroll into it. */
const MARGIN_PX = 300;

/**
 * Devices of one kind, side by side in the order of their names: every device keeps its place.
 *
 * All tiles have one size, so the group reckons which are in the window. One observer for each of 2,000 tiles would cost
 * more than the tiles themselves.
 */
export class FleetGroup extends Live {
  static override properties = { group: { attribute: false } };
  declare group: Group;
  #shown = new Set<FleetTile>();
  #waits = false;

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("scroll", this.#look, { passive: true });
    addEventListener("resize", this.#look);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("scroll", this.#look);
    removeEventListener("resize", this.#look);
  }

  override render() {
    return html`<section class="group" data-testid="group-${this.group.prefix || "other"}" aria-label=${this.group.label}>
      <group-head .group=${this.group}></group-head>
      <div class="tiles">
        ${repeat(
          this.group.ids,
          (id) => id,
          (id) => html`<fleet-tile data-item .device=${id}></fleet-tile>`,
        )}
      </div>
    </section>`;
  }

  override updated(): void {
    this.#look();
  }

  readonly #look = (): void => {
    if (this.#waits) return;
    this.#waits = true;
    requestAnimationFrame(() => {
      this.#waits = false;
      this.#show();
    });
  };

  #show(): void {
    const grid = this.querySelector<HTMLElement>(".tiles");
    const tiles = grid?.children as HTMLCollectionOf<FleetTile> | undefined;
    const first = tiles?.[0];
    if (!grid || !tiles || !first) return;
    const style = getComputedStyle(grid);
    const { first: from, end } = tilesInWindow(
      {
        top: grid.getBoundingClientRect().top,
        columns: style.gridTemplateColumns.split(" ").length,
        row: first.offsetHeight + Number.parseFloat(style.rowGap),
        count: tiles.length,
      },
      innerHeight,
      MARGIN_PX,
    );
    const shown = new Set(Array.from({ length: end - from }, (_, i) => tiles[from + i] as FleetTile));
    for (const tile of this.#shown) if (!shown.has(tile)) tile.visible.value = false;
    for (const tile of shown) tile.visible.value = true;
    this.#shown = shown;
  }
}
customElements.define("fleet-group", FleetGroup);

export class GroupHead extends Live {
  static override properties = { group: { attribute: false } };
  declare group: Group;

  override render() {
    plant.fleet.presence.value;
    const worst = plant.alerts.worstByDevice.value;
    const { ids, label } = this.group;
    const quiet = ids.filter((id) => ["stale", "silent"].includes(plant.fleet.get(id)?.freshness ?? "")).length;
    const rung = SEVERITIES.map((severity) => ({
      severity,
      count: ids.filter((id) => worst.get(id)?.severity === severity).length,
    })).filter(({ count }) => count > 0);
    return html`<h2>${label} <span class="dim">${formatCount(ids.length)}</span>
      ${rung.map(({ severity, count }) => html`<span class="rung">${severityIcon(severity)}${formatCount(count)}</span>`)}
      ${quiet ? html`<span class="dim">${formatCount(quiet)} without fresh data</span>` : nothing}
    </h2>`;
  }
}
customElements.define("group-head", GroupHead);
