import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { api } from "../wire/api";
import { type Delivery, millis } from "../wire/contract";
import { LIFE_WORDS } from "./words";

/** While something is under way it is looked at again this often. */
const LOOK_AGAIN_MS = 2_000;

/** Who was told of an alert, and what became of it. */
export class AlertReceipts extends Live {
  static override properties = { alert: {}, revision: { type: Number } };
  declare alert: string;
  declare revision: number;
  readonly #known = signal<readonly Delivery[]>([]);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #read = "";

  override render() {
    void this.#look();
    const deliveries = this.#known.value;
    if (deliveries.length === 0) return nothing;
    return html`<h3>Who was told</h3>
      <ol class="story" data-testid="receipts">${[...deliveries].reverse().map(
        ({ channel, command, alert_state, state, error, attempts, changed_at, next_at }) =>
          html`<li data-state=${state}><time>${formatTime(millis(changed_at) ?? 0, now.value)}</time>
            <span><b>${channel}</b> ${command ?? LIFE_WORDS[alert_state]}: ${state}${attempts > 1 ? html` <small class="dim">${attempts} attempts</small>` : nothing}${error ? html` <small class="dim">${error}${next_at ? html`, again at ${formatTime(millis(next_at) ?? 0, now.value)}` : nothing}</small>` : nothing}</span></li>`,
      )}</ol>
      ${deliveries.some(({ state }) => state === "dead") ? html`<button data-testid="redrive" @click=${this.#redrive}>Send the dead ones again</button>` : nothing}`;
  }

  override disconnectedCallback(): void {
    clearTimeout(this.#timer);
    super.disconnectedCallback();
  }

  async #look(again = false): Promise<void> {
    const wanted = `${this.alert} ${this.revision}`;
    if (wanted === this.#read && !again) return;
    if (!this.#read.startsWith(`${this.alert} `)) this.#known.value = [];
    this.#read = wanted;
    clearTimeout(this.#timer);
    try {
      const deliveries = await api.deliveries(this.alert);
      if (this.#read !== wanted || !this.isConnected) return;
      this.#known.value = deliveries;
      const isUnderWay = deliveries.some(
        ({ state, command }) => state === "queued" || state === "failed" || (state === "sent" && !command),
      );
      // What is told of a change is queued a moment after the page knows of it.
      if (isUnderWay || !again) this.#timer = setTimeout(() => void this.#look(true), LOOK_AGAIN_MS);
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
