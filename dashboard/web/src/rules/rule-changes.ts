import { effect, signal, untracked } from "@preact/signals-core";
import { html, nothing } from "lit";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatTime } from "../reading/age";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { paths } from "../shell/route";
import { api } from "../wire/api";
import { millis, type RuleVersion } from "../wire/contract";
import { storyOf, whoIn } from "./version-story";

const SHOWN = 50;

/** What was done to rules lately, by whom; deleted ones too, which can be opened and brought back. */
export class RuleChanges extends Live {
  readonly #versions = signal<readonly RuleVersion[]>([]);
  #unfollow = () => {};

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unfollow = effect(() => {
      plant.rules.all.value;
      untracked(() => void this.#look());
    });
  }

  override disconnectedCallback(): void {
    this.#unfollow();
    super.disconnectedCallback();
  }

  override render() {
    const versions = this.#versions.value;
    return html`<details class="changes-of-rules" data-testid="rule-changes" @toggle=${this.#look}>
      <summary>Changes</summary>
      ${
        versions.length
          ? html`<ol class="story">${versions.map(
              (each) => html`<li>
                <time datetime=${each.at}>${formatTime(millis(each.at) ?? 0, now.value)}</time>
                <div><span><a href=${paths.rule(each.name)}>${each.name}</a> <span class="dim">by</span> ${whoIn(each)}</span><div>${storyOf(each)}</div></div>
              </li>`,
            )}</ol>`
          : nothing
      }
    </details>`;
  }

  readonly #look = async (): Promise<void> => {
    if (!this.querySelector("details")?.open) return;
    try {
      this.#versions.value = await api.lastVersions(SHOWN);
    } catch (error) {
      complain(error);
    }
  };
}
customElements.define("rule-changes", RuleChanges);
