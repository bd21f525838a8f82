import { signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { api } from "../wire/api";
import { millis, type RuleText, type RuleVersion } from "../wire/contract";
import { storyOf, whoIn } from "./version-story";

/** Who changed a rule, when, from what to what: read when somebody opens it, and again when it changes. */
export class RuleVersions extends Live {
  static override properties = {
    rule: {},
    inForce: { type: Number },
    open: { type: Boolean },
    take: { attribute: false },
  };
  declare rule: string;
  /** The version that is in force; 0: the rule is deleted. */
  declare inForce: number;
  declare open: boolean;
  /** Puts an earlier text into the form; not there where the page may not change the rule. */
  declare take: ((text: Partial<RuleText>, version: number) => void) | undefined;

  readonly #versions = signal<readonly RuleVersion[]>([]);

  protected override updated(changed: PropertyValues<this>): void {
    if (this.querySelector("details")?.open && (changed.has("rule") || changed.has("inForce"))) void this.#look();
  }

  override render() {
    return html`<details data-testid="versions" ?open=${this.open} @toggle=${this.#look}><summary>Versions</summary>
      <ol class="story">${this.#versions.value.map((each, index) => this.#item(each, index))}</ol>
    </details>`;
  }

  #item(each: RuleVersion, index: number) {
    const text = each.rule;
    const isInForce = index === 0 && text !== null;
    return html`<li data-testid="version" data-version=${each.version}>
      <time datetime=${each.at}>${formatTime(millis(each.at) ?? 0, now.value)}</time>
      <div><span>version ${each.version} by <b>${whoIn(each)}</b>${isInForce ? html` <span class="dim">· in force</span>` : nothing}</span>
        <div>${storyOf(each)}</div>
        ${text && !isInForce && this.take ? html`<button type="button" @click=${() => this.take?.(text, each.version)} aria-label="Take version ${each.version} back" data-testid="take-back">Take this one back</button>` : nothing}</div>
    </li>`;
  }

  readonly #look = async (): Promise<void> => {
    if (!this.querySelector("details")?.open) return;
    const rule = this.rule;
    try {
      const found = await api.versions(rule);
      if (rule === this.rule) this.#versions.value = found;
    } catch (error) {
      complain(error);
    }
  };
}
customElements.define("rule-versions", RuleVersions);
