import { signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues, svg } from "lit";
import { formatDuration } from "../reading/age";
import { formatCount } from "../reading/number";
import { Live } from "../shell/live";
import { paths } from "../shell/route";
import { ApiError, api, type FieldError } from "../wire/api";
import type { Preview, PreviewSubject, RuleText } from "../wire/contract";
import { question, stretches } from "./preview";

const PAUSE_MS = 350;
const SHOWN = 6;
/** Of the width of a strip: the least that is seen. */
const SLIVER = 2;

/** How often a rule would have rung in the last 24 hours: asked for when typing pauses, given up when it goes on. */
export class RulePreview extends Live {
  static override properties = { rule: { attribute: false }, said: { attribute: false } };
  declare rule: RuleText;
  /** What is told elsewhere already. */
  declare said: readonly FieldError[];

  readonly #found = signal<Preview | null>(null);
  readonly #problem = signal("");
  readonly #done = signal<number | null>(null);
  #asked = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | undefined;

  protected override willUpdate(_: PropertyValues<this>): void {
    const asks = question(this.rule);
    if (asks === this.#asked) return;
    this.#asked = asks;
    this.#stop();
    if (this.rule.when) this.#timer = setTimeout(this.#ask, PAUSE_MS);
    else {
      this.#found.value = null;
      this.#problem.value = "";
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop();
    this.#asked = "";
  }

  override render() {
    const found = this.#found.value;
    const done = this.#done.value;
    const problem = this.said.some(({ message }) => message === this.#problem.value) ? "" : this.#problem.value;
    if (!found && !problem && done === null) return nothing;
    return html`<div class="preview" aria-busy=${done !== null} data-testid="preview">
      ${done === null ? nothing : html`<progress max="1" .value=${done} aria-label="Looking at the last 24 hours"></progress>`}
      ${problem ? html`<p class="dim" data-testid="preview-problem">${problem}</p>` : found ? this.#report(found) : html`<p class="dim">Looking at the last 24 hours …</p>`}
    </div>`;
  }

  #report(found: Preview) {
    const subjects = found.subjects.slice(0, SHOWN);
    const more = found.subjects.length - subjects.length;
    return html`<p role="status">In the last 24 h it would ${found.rang ? html`have rung <b>${times(found.rang)}</b>` : html`<b>never</b> have rung`}${found.rang ? rangOn(found) : `; ${devices(found.devices)} sent ${formatCount(found.readings)} readings`}.</p>
      ${
        subjects.length
          ? html`<table>
              <tbody>${subjects.map((each) => this.#subject(each, found))}</tbody>
            </table>`
          : nothing
      }
      ${more > 0 ? html`<p class="dim">and ${devices(more)} more</p>` : nothing}`;
  }

  #subject(subject: PreviewSubject, found: Preview) {
    return html`<tr>
      <th scope="row">${isGroup(subject.device) ? subject.device : html`<a href=${paths.device(subject.device)}>${subject.device}</a>`}</th>
      <td class="strip">${this.#strip(subject, found)}</td>
      <td class="number">${formatCount(subject.rang)} ×${subject.flaps ? html` <small class="dim">flaps</small>` : nothing}</td>
      <td class="number dim">${subject.in_alarm_s ? formatDuration(subject.in_alarm_s * 1000) : "–"}${subject.in_alarm ? " …" : ""}</td>
    </tr>`;
  }

  #strip(subject: PreviewSubject, found: Preview) {
    return html`<svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=${`${times(subject.rang)} in 24 hours`} data-severity=${this.rule.severity}>
      <line x1="0" x2="1000" y1="5" y2="5"></line>
      ${stretches(subject, found).map(
        ({ from, to, is }) =>
          svg`<rect class=${is} x=${from * 1000} width=${Math.max((to - from) * 1000, SLIVER)} y=${is === "ringing" ? 0 : 3} height=${is === "ringing" ? 10 : 4}></rect>`,
      )}
    </svg>`;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
    this.#done.value = null;
  }

  readonly #ask = async (): Promise<void> => {
    const running = new AbortController();
    this.#running = running;
    this.#done.value = 0;
    const rule = { ...this.rule, name: this.rule.name || "preview" };
    try {
      const found = await api.preview(rule, running.signal, (share) => {
        this.#done.value = share;
      });
      this.#found.value = found;
      this.#problem.value = "";
    } catch (error) {
      if (running.signal.aborted) return;
      const first = error instanceof ApiError ? error.fields[0] : undefined;
      this.#found.value = null;
      this.#problem.value = first?.message ?? (error as Error).message;
    }
    if (this.#running === running) this.#stop();
  };
}
customElements.define("rule-preview", RulePreview);

function times(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${formatCount(count)} times`;
}

/** Where it rang: on how many of the devices, or in how many groups of them. */
function rangOn(found: Preview): string {
  const rang = found.subjects.filter((each) => each.rang);
  const groups = rang.filter((each) => isGroup(each.device)).length;
  if (groups) return ` in ${formatCount(groups)} group${groups === 1 ? "" : "s"}`;
  return ` on ${formatCount(rang.length)} of ${devices(found.devices)}`;
}

const isGroup = (subject: string) => subject.startsWith("group:");

function devices(count: number): string {
  return count === 1 ? "1 device" : `${formatCount(count)} devices`;
}
