import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { follow } from "../plant/changes";
import { now } from "../plant/clock";
import { formatDuration, formatTime } from "../reading/age";
import { icon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { api } from "../wire/api";
import { type Maintenance, millis } from "../wire/contract";

/** How long a window lasts. The first is what is offered. */
const LASTS: readonly [hours: number, label: string][] = [
  [1, "1 hour"],
  [4, "4 hours"],
  [8, "8 hours"],
  [24, "24 hours"],
  [168, "7 days"],
];

const windows = signal<readonly Maintenance[]>([]);
const planned = signal<{ devices: string } | null>(null);

/** Opens the dialog that plans a window, for devices that match if some are in view. */
export function planMaintenance(devices = ""): void {
  planned.value = { devices };
}

async function readWindows(): Promise<void> {
  try {
    windows.value = await api.maintenance();
  } catch {
    // The server cannot be reached, which the page says elsewhere.
  }
}

/** Whether a window runs, and what is left until it ends, or begins. */
export function standingOf(window: Maintenance, at: number): { runs: boolean; words: string } {
  const start = millis(window.start) ?? at;
  const end = millis(window.end) ?? at;
  return start <= at
    ? { runs: true, words: `ends in ${formatDuration(end - at)}` }
    : { runs: false, words: `begins in ${formatDuration(start - at)}` };
}

/** Times in which alarms are out of service: those that run and those that are planned. */
export class MaintenanceList extends Live {
  #unfollow = () => {};

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unfollow = follow("maintenance", () => void readWindows());
  }

  override disconnectedCallback(): void {
    this.#unfollow();
    super.disconnectedCallback();
  }

  override render() {
    const shown = windows.value.filter(({ end }) => (millis(end) ?? 0) > now.value);
    return html`<section class="maintenance" aria-labelledby="maintenance-title" data-testid="maintenance">
      <header><h2 id="maintenance-title">Maintenance</h2>
        <button data-testid="plan-maintenance" @click=${() => planMaintenance()} title="Plan a window (m)">Plan…</button></header>
      ${
        shown.length
          ? html`<ol>${shown.map((window) => this.#item(window))}</ol>`
          : html`<p class="dim">No window is planned. While one runs, alarms of its devices are out of service: shown, but nobody is told.</p>`
      }
    </section>`;
  }

  #item(window: Maintenance) {
    const { runs, words } = standingOf(window, now.value);
    return html`<li data-item tabindex="0" data-testid="maintenance-window" data-runs=${runs}>
      <span class="what"><b>${window.devices}</b>${window.rules === "*" ? nothing : html` rules <b>${window.rules}</b>`}${window.note ? html` <q>${window.note}</q>` : nothing}</span>
      <span class="dim">${runs ? "runs" : "planned"}, ${words} · ${formatTime(millis(window.start) ?? 0, now.value)} – ${formatTime(millis(window.end) ?? 0, now.value)} · ${window.by}</span>
      <button data-testid="end-maintenance" @click=${() => void end(window)} aria-label="${runs ? "End" : "Cancel"} maintenance of ${window.devices}"
        title=${runs ? "Alarms of its devices are heard again at once" : "It will not begin"}>${runs ? "End now" : "Cancel"}</button>
    </li>`;
  }
}
customElements.define("maintenance-list", MaintenanceList);

async function end(window: Maintenance): Promise<void> {
  try {
    await api.endMaintenance(window.id);
    say(`Maintenance of ${window.devices} is over: its alarms are heard again.`);
  } catch (error) {
    complain(error);
  }
  await readWindows();
}

/** Asks for devices, time and reason of a window. */
export class MaintenanceQuestion extends Live {
  override render() {
    const asked = planned.value;
    return html`<dialog class="dialog" aria-labelledby="maintenance-question-title" data-testid="maintenance-dialog" @close=${() => (planned.value = null)}>
      ${
        asked
          ? html`<form method="dialog" @submit=${this.#submit}>
            <header>
              <h2 id="maintenance-question-title">Plan maintenance</h2>
              <button type="button" class="bare" aria-label="Close" @click=${() => this.#dialog.close()}>${icon("close")}</button>
            </header>
            <p class="dim">Alarms of these devices are out of service meanwhile: shown, but nobody is told.</p>
            <label class="field"><span>Devices</span>
              <input name="devices" required .value=${asked.devices} placeholder="boiler-*" data-testid="maintenance-devices"></label>
            <label class="field"><span>Rules</span><input name="rules" required value="*"></label>
            <label class="field"><span>Begins (empty: now)</span><input type="datetime-local" name="start" data-testid="maintenance-start"></label>
            <fieldset class="choices"><legend>Lasts</legend>
              ${LASTS.map(([hours, label], i) => html`<label><input type="radio" name="hours" value=${hours} ?checked=${i === 0}><span>${label}</span></label>`)}
            </fieldset>
            <label class="field"><span>Note</span><input name="note" maxlength="1000" placeholder="What is being done? (optional)" data-testid="maintenance-note"></label>
            <footer>
              <button type="button" @click=${() => this.#dialog.close()}>Cancel</button>
              <button class="primary" data-testid="maintenance-confirm">Plan</button>
            </footer>
          </form>`
          : ""
      }
    </dialog>`;
  }

  override updated(): void {
    if (planned.peek() && !this.#dialog.open) {
      this.#dialog.showModal();
      this.querySelector<HTMLInputElement>("input[name=devices]")?.focus();
    }
  }

  get #dialog(): HTMLDialogElement {
    return this.querySelector("dialog") as HTMLDialogElement;
  }

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault(); // what was typed stays until the server has taken it
    const given = new FormData(event.target as HTMLFormElement);
    const text = (name: string) => String(given.get(name) ?? "").trim();
    const start = text("start") ? new Date(text("start")).getTime() : null;
    const end = (start ?? Date.now()) + Number(text("hours")) * 3_600_000;
    void plan({
      devices: text("devices"),
      rules: text("rules"),
      note: text("note"),
      end: new Date(end).toISOString(),
      ...(start === null ? {} : { start: new Date(start).toISOString() }),
    }).then((done) => done && this.#dialog.close());
  };
}
customElements.define("maintenance-question", MaintenanceQuestion);

/** Tells whether the server took it. */
async function plan(body: Parameters<typeof api.planMaintenance>[0]): Promise<boolean> {
  try {
    const window = await api.planMaintenance(body);
    const { runs, words } = standingOf(window, Date.now());
    say(`Maintenance of ${window.devices} ${runs ? "runs" : "is planned"}, ${words}.`);
    await readWindows();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}
