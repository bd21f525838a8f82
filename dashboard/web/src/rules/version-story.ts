import { html, nothing, type TemplateResult } from "lit";
import type { RuleVersion } from "../wire/contract";
import { changesOf, type Difference } from "./difference";

/** Who made a version: a person, or the file it came from. */
export function whoIn({ by }: RuleVersion): string {
  return by.replace(/^file:/, "");
}

/** What a version did to its rule: each key that changed, from what to what. */
export function storyOf(version: RuleVersion): TemplateResult {
  if (version.kind === "deleted")
    return html`<b>deleted</b>${version.before?.when ? html` <code><del>${version.before.when}</del></code>` : nothing}`;
  const changes = changesOf(version.changed);
  if (changes.length === 0) {
    const { when, clear } = version.rule ?? {};
    return html`${version.kind} <code>${when}</code>${clear ? html` clears when <code>${clear}</code>` : nothing}`;
  }
  return changesIn(version.changed);
}

/** Keys that changed, a line each, from what to what. */
export function changesIn(changed: RuleVersion["changed"]): TemplateResult {
  return html`<ul class="changes">${changesOf(changed).map(
    ({ key, word, difference }) =>
      html`<li data-key=${key}><span class="dim">${word}</span> <code>${inPlace(difference)}</code></li>`,
  )}</ul>`;
}

function inPlace({ same, before, after }: Difference) {
  return html`${same[0]}${before ? html`<del>${before}</del>` : nothing}${before && after ? " " : nothing}${after ? html`<ins>${after}</ins>` : nothing}${same[1]}`;
}
