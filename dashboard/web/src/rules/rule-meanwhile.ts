import { html, nothing } from "lit";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { millis, type Rule, type RuleText } from "../wire/contract";
import { changesOf } from "./difference";
import { textOf } from "./draft";
import { type Begun, changedBetween, contested } from "./meanwhile";
import { changesIn } from "./version-story";

/** Says that somebody changed a rule while it is being written in: who, what, and what to do about it. */
export class RuleMeanwhile extends Live {
  static override properties = {
    rule: { attribute: false },
    begun: { attribute: false },
    typed: { attribute: false },
    keep: { attribute: false },
    drop: { attribute: false },
  };
  /** What is in force now. */
  declare rule: Rule;
  declare begun: Begun;
  declare typed: RuleText;
  /** Goes on with what was typed, on top of what is in force. */
  declare keep: () => void;
  /** Shows what is in force. */
  declare drop: () => void;

  override render() {
    const { rule, begun, typed } = this;
    const theirs = textOf(rule);
    const both = contested(begun.text, typed, theirs);
    const changed = changedBetween(begun.text, theirs);
    const at = millis(rule.updated_at);
    return html`<div class="meanwhile" role="alert" data-testid="meanwhile">
      <p><b>${rule.updated_by ?? "Somebody"}</b> changed this rule${at === null ? nothing : html` at ${formatTime(at, now.peek())}`}, while you were writing; version ${rule.version} is in force:</p>
      ${Object.keys(changed).length ? changesIn(changed) : html`<p class="dim">It says the same as before.</p>`}
      ${both.length ? html`<p>You changed <b>${words(changed, both)}</b> too; yours takes its place when you save.</p>` : nothing}
      <p class="buttons">
        <button type="button" data-testid="meanwhile-keep" @click=${this.keep}>Keep what I wrote</button>
        <button type="button" data-testid="meanwhile-drop" @click=${this.drop}>Take theirs</button>
      </p>
    </div>`;
  }
}
customElements.define("rule-meanwhile", RuleMeanwhile);

function words(changed: ReturnType<typeof changedBetween>, keys: readonly string[]): string {
  return changesOf(changed)
    .filter(({ key }) => keys.includes(key))
    .map(({ word }) => word)
    .join(", ");
}
