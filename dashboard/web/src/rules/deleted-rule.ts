import { signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { ApiError, api } from "../wire/api";
import type { RuleVersion } from "../wire/contract";
import "./rule-form";
import { EMPTY } from "./draft";

/** A name that no rule has: what the rule of that name was before it was deleted, ready to be brought back. */
export class DeletedRule extends Live {
  static override properties = { name: {} };
  declare name: string;

  readonly #last = signal<RuleVersion | null>(null);
  readonly #never = signal(false);

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("name")) void this.#look(this.name);
  }

  override render() {
    const last = this.#last.value;
    if (last?.before)
      return html`<rule-form .rule=${{ ...EMPTY, ...last.before }} .isNew=${true} .deleted=${last}></rule-form>`;
    return html`<section class="panel detail"><p class="nothing">${this.#never.value ? `No rule is called ${this.name}.` : nothing}</p></section>`;
  }

  async #look(name: string): Promise<void> {
    this.#last.value = null;
    this.#never.value = false;
    try {
      const [last] = await api.versions(name);
      if (name !== this.name) return;
      if (last?.before) this.#last.value = last;
      else this.#never.value = true;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) complain(error);
      this.#never.value = true;
    }
  }
}
customElements.define("deleted-rule", DeletedRule);
