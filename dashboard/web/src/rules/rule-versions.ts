import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { api } from "../wire/api";
import { millis, type RuleVersion } from "../wire/contract";

/** Who changed a rule, when, to what: read when somebody opens it. */
export class RuleVersions extends Live {
  static override properties = { rule: {} };
  declare rule: string;
  readonly #versions = signal<readonly RuleVersion[]>([]);

  override render() {
    return html`<details data-testid="versions" @toggle=${this.#look}><summary>Versions</summary>
      <ol class="story">${this.#versions.value.map(
        ({ version, at, by, rule }) =>
          html`<li><time>${formatTime(millis(at) ?? 0, now.value)}</time><span>version ${version} by <b>${by}</b>${rule ? html`<br><code>${rule.when}</code>${rule.clear ? html` clears <code>${rule.clear}</code>` : nothing}` : ", deleted"}</span></li>`,
      )}</ol>
    </details>`;
  }

  readonly #look = async (event: Event): Promise<void> => {
    if (!(event.target as HTMLDetailsElement).open) return;
    try {
      this.#versions.value = await api.versions(this.rule);
    } catch (error) {
      complain(error);
    }
  };
}
customElements.define("rule-versions", RuleVersions);
