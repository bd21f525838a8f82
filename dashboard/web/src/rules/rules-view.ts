import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { isOpen } from "../plant/alerts";
import { plant } from "../plant/plant";
import { formatCount } from "../reading/number";
import { selects, writeTags } from "../reading/tags";
import { severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { go, paths, query } from "../shell/route";
import { api } from "../wire/api";
import type { Rule, RuleText } from "../wire/contract";
import { EMPTY, isEditable, sourceOf, textOf } from "./draft";
import "./channel-list";
import "./deleted-rule";
import "./rule-changes";
import type { RuleForm } from "./rule-form";
import "./rule-form";
import "./rules.css";

export const NEW = "+new";

/** What rings, and when. */
export class RulesView extends Live {
  static override properties = { chosen: {} };
  declare chosen: string | null;

  override render() {
    const rules = plant.rules.all.value;
    const chosen = this.chosen ? plant.rules.get(this.chosen) : undefined;
    return html`<h1>Rules</h1>
      <div class="rules ${this.chosen ? "with-detail" : ""}">
        <section class="list" aria-label="Rules">
          <div class="toolbar"><a class="button primary" href=${paths.newRule()} data-testid="add-rule">Add a rule</a></div>
          ${rules.length ? this.#table(rules) : plant.fleet.known.value ? html`<p class="nothing">There are no rules: nothing can ring. Add the first one, such as <code>temp_c &gt; 80</code>.</p>` : nothing}
          <channel-list></channel-list>
          <rule-changes></rule-changes>
        </section>
        ${this.chosen ? this.#form(chosen) : nothing}
      </div>`;
  }

  #form(rule: Rule | undefined) {
    if (this.chosen === NEW) {
      const given = query.value;
      return html`<rule-form .rule=${{ ...EMPTY, devices: given.get("devices") ?? "*", when: given.get("when") ?? "" }} .isNew=${true}></rule-form>`;
    }
    // The form in which somebody writes stays the same element, also when its rule is deleted meanwhile.
    const written = rule ? null : this.#written();
    if (!rule && !written)
      return plant.fleet.known.value ? html`<deleted-rule .name=${this.chosen}></deleted-rule>` : nothing;
    return html`<rule-form .rule=${rule ?? written} .isNew=${!rule} .isGone=${!rule}></rule-form>`;
  }

  /** The chosen rule as it was, while the form of it holds what somebody typed. */
  #written(): RuleText | null {
    const form = this.querySelector<RuleForm>(":scope > .rules > rule-form");
    return form?.isWritten && form.rule.name === this.chosen ? textOf(form.rule) : null;
  }

  #table(rules: readonly Rule[]) {
    const open = plant.alerts.open.value;
    const ids = plant.fleet.ids.value;
    return html`<div class="scroll"><table class="rule-table" data-testid="rule-table">
      <thead><tr><th>On</th><th><span class="unseen">Severity</span></th><th>Rule</th><th class="number">Devices</th><th class="number">Open</th><th class="source">Source</th></tr></thead>
      <tbody>${repeat(
        rules,
        (rule) => rule.name,
        (
          rule,
        ) => html`<tr data-item tabindex="0" data-testid="rule-row" data-rule=${rule.name} class=${rule.enabled ? "" : "off"} aria-selected=${rule.name === this.chosen}
          @click=${this.#open} @keydown=${this.#openByKey}>
          <td><label class="switch" title=${isEditable(rule) ? "" : `Changed in ${sourceOf(rule)}`}><input type="checkbox" role="switch" .checked=${rule.enabled} ?disabled=${!isEditable(rule)} aria-label="${rule.name} is on" @change=${(event: Event) => this.#toggle(event, rule)}><i></i></label></td>
          <td>${severityIcon(rule.severity)}</td>
          <td class="what"><a tabindex="-1" href=${paths.rule(rule.name)}>${rule.name}</a><code>${rule.when}</code></td>
          <td class="number"><code>${rule.devices}</code>${Object.keys(rule.tags ?? {}).length ? html` <code>${writeTags(rule.tags ?? {})}</code>` : ""} <small class="dim">${formatCount(ids.filter((id) => selects(rule, id, plant.fleet.get(id)?.tags ?? {})).length)}</small></td>
          <td class="number">${open.filter((alert) => alert.rule === rule.name && isOpen(alert)).length || ""}</td>
          <td class="source dim">${isEditable(rule) ? "page" : sourceOf(rule)}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }

  async #toggle(event: Event, rule: Rule): Promise<void> {
    const box = event.target as HTMLInputElement;
    try {
      await api.changeRule(rule.name, { ...textOf(rule), enabled: box.checked });
      say(`${rule.name} is ${box.checked ? "on" : "off. Its open alerts clear"}.`);
    } catch (error) {
      box.checked = rule.enabled;
      complain(error);
    }
  }

  readonly #open = (event: Event): void => {
    if ((event.target as Element).closest("a, button, label")) return;
    const rule = (event.currentTarget as HTMLElement).dataset.rule;
    if (rule) go(paths.rule(rule));
  };

  readonly #openByKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && event.target === event.currentTarget) this.#open(event);
  };
}
customElements.define("rules-view", RulesView);
