import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { deliveriesChanged } from "../plant/changes";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { api } from "../wire/api";
import { type Delivery, millis } from "../wire/contract";
import { LIFE_WORDS } from "./words";

/** Who was told of an alert, and what became of it. */
export class AlertReceipts extends Live {
  static override properties = { alert: {}, revision: { type: Number } };
  declare alert: string;
  declare revision: number;
  readonly #known = signal<readonly Delivery[]>([]);
  #read = "";

  override render() {
    void this.#look();
    const deliveries = this.#known.value;
    if (deliveries.length === 0) return nothing;
    return html`<h3>Who was told</h3>
      <ol class="story" data-testid="receipts">${[...deliveries].reverse().map(
        ({ channel, command, alert_state, state, error, attempts, changed_at, next_at }) =>
          html`<li data-state=${state}><time>${formatTime(millis(changed_at) ?? 0, now.value)}</time>
            <span><b>${channel}</b> ${command ?? LIFE_WORDS[alert_state]}: ${state}${state === "queued" && (millis(next_at) ?? 0) > now.value ? html` <small class="dim">goes at ${formatTime(millis(next_at) ?? 0, now.value)}</small>` : nothing}${attempts > 1 ? html` <small class="dim">${attempts} attempts</small>` : nothing}${error ? html` <small class="dim">${error}${next_at ? html`, again at ${formatTime(millis(next_at) ?? 0, now.value)}` : nothing}</small>` : nothing}</span></li>`,
      )}</ol>
      ${deliveries.some(({ state }) => state === "dead") ? html`<button data-testid="redrive" @click=${this.#redrive}>Send the dead ones again</button>` : nothing}`;
  }

  async #look(again = false): Promise<void> {
    const wanted = `${this.alert} ${this.revision} ${deliveriesChanged.value}`;
    if (wanted === this.#read && !again) return;
    if (!this.#read.startsWith(`${this.alert} `)) this.#known.value = [];
    this.#read = wanted;
    try {
      const deliveries = await api.deliveries(this.alert);
      if (this.#read === wanted && this.isConnected) this.#known.value = deliveries;
    } catch {
      // The server cannot be reached, which the page says elsewhere.
    }
  }

  readonly #redrive = async (): Promise<void> => {
    try {
      const { count } = await api.redrive({ alert: this.alert });
      say(`${count} ${count === 1 ? "delivery is" : "deliveries are"} sent again.`);
      await this.#look(true);
    } catch (error) {
      complain(error);
    }
  };
}
customElements.define("alert-receipts", AlertReceipts);
