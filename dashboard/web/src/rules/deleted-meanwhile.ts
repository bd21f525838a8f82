import { signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { ApiError, api } from "../wire/api";
import { millis, type RuleVersion } from "../wire/contract";

/** Says that somebody deleted a rule while it is being written in: who, as far as is known, and what to do about it. */
export class DeletedMeanwhile extends Live {
  static override properties = { name: {}, drop: { attribute: false } };
  declare name: string;
  /** Throws away what was typed. */
  declare drop: () => void;

  readonly #last = signal<RuleVersion | null>(null);

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("name")) void this.#look(this.name);
  }

  override render() {
    const last = this.#last.value;
    const at = last && millis(last.at);
    return html`<div class="meanwhile" role="alert" data-testid="deleted-meanwhile">
      <p><b>${last?.by ?? "Somebody"}</b> deleted this rule${at === null ? nothing : html` at ${formatTime(at, now.peek())}`}, while you were writing. Nothing of what you wrote is lost: add it as a new rule, under this name or another.</p>
      <p class="buttons"><button type="button" data-testid="deleted-drop" @click=${this.drop}>Discard what I wrote</button></p>
    </div>`;
  }

  async #look(name: string): Promise<void> {
    this.#last.value = null;
    try {
      const [last] = await api.versions(name);
      if (name === this.name && last?.kind === "deleted") this.#last.value = last;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) complain(error);
    }
  }
}
customElements.define("deleted-meanwhile", DeletedMeanwhile);
