import { signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import { ApiError, api, type FieldError } from "../wire/api";
import type { Explanation, RuleText } from "../wire/contract";
import { asksOf, costOf, groupingOf, listed, occasionsOf, reachOf, restlessOf } from "./explanation";

const PAUSE_MS = 300;

/**
 * What judging a rule takes, and what is wrong with it: asked for when typing pauses. `found` is told what is wrong,
 * and what looks like a slip, field by field.
 */
export class RuleExplanation extends Live {
  static override properties = { rule: { attribute: false }, found: { attribute: false } };
  declare rule: RuleText;
  declare found: (problems: readonly FieldError[]) => void;

  readonly #explanation = signal<Explanation | null>(null);
  #asked = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | undefined;

  protected override willUpdate(_: PropertyValues<this>): void {
    const asks = JSON.stringify(this.rule);
    if (asks === this.#asked) return;
    const isFirst = this.#asked === "";
    this.#asked = asks;
    this.#stop();
    if (this.rule.when.trim()) this.#timer = setTimeout(this.#ask, isFirst ? 0 : PAUSE_MS);
    else this.#show(null, []);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop();
    this.#asked = "";
  }

  override render() {
    const known = this.#explanation.value;
    if (!known) return nothing;
    const restless = restlessOf(known);
    return html`<dl class="explanation" data-testid="explanation">
      ${asksOf(known).map(([words, what]) => html`<dt>${words}</dt><dd><code>${what}</code>, ${groupingOf(known)}</dd>`)}
      <dt>Judged at</dt><dd>${occasionsOf(known).join(", ")}</dd>
      ${known.windows.map(
        (window) => html`<dt>${window.session ? "Session" : "Window"}</dt>
          <dd><code>${window.metric}</code> ${reachOf(window)} for ${listed(window.functions)}${window.shared_with.length ? html`, <span data-testid="shared">kept once with ${rules(window.shared_with)}</span>` : html`, <span class="dim">for this rule alone</span>`}</dd>`,
      )}
      <dt>Each reading</dt><dd>${costOf(known)}${restless.length ? html` <span class="dim">for the sake of</span> ${restless.map((each, index) => html`${index ? ", " : ""}<code>${each}</code>`)}` : nothing}</dd>
      ${known.judged_with.length ? html`<dt>In one step with</dt><dd>${rules(known.judged_with)}</dd>` : nothing}
    </dl>`;
  }

  #show(explanation: Explanation | null, problems: readonly FieldError[]): void {
    this.#explanation.value = explanation;
    this.found(problems);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
  }

  readonly #ask = async (): Promise<void> => {
    const running = new AbortController();
    this.#running = running;
    try {
      const { explanation, doubts } = await api.explain(this.rule, running.signal);
      if (!running.signal.aborted) this.#show(explanation, doubts);
    } catch (error) {
      // What is no refusal of a field is said when the rule is saved, or elsewhere on the page.
      if (!running.signal.aborted) this.#show(null, error instanceof ApiError ? error.fields : []);
    }
  };
}
customElements.define("rule-explanation", RuleExplanation);

const SHOWN = 4;

function rules(names: readonly string[]) {
  const more = names.length - SHOWN;
  return html`${names.slice(0, SHOWN).map((name, index) => html`${index ? ", " : ""}<a href=${paths.rule(name)}>${name}</a>`)}${more > 0 ? ` and ${more} more` : ""}`;
}
