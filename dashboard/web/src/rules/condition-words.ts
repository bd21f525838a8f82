import { html } from "lit";
import { plant } from "../plant/plant";
import { writeMetric } from "../reading/expression";
import { Live } from "../shell/live";

const FUNCTIONS = [
  "avg(metric, '5m')",
  "min(metric, '5m')",
  "max(metric, '5m')",
  "delta(metric, '1m')",
  "rate(metric, '1m')",
  "p95(metric, '5m')",
  "stddev(metric, '5m')",
  "count(metric, '1m')",
  "zscore(metric, '1h')",
  "duration(metric, 'session 30s')",
  "twa(metric, '5m')",
  "time_in(metric, 'state', '1h')",
  "age(metric)",
  "absent(metric, '60s')",
  "flatline(metric, '10m')",
  "hour()",
  "weekday()",
  "inside('zone')",
  "outside('zone')",
  "speed_kmh()",
  "tag('site')",
  "tag_number('limit')",
  "limit('temp_max_c')",
  "count_devices(metric > 80) >= 3",
  "avg_devices(avg(metric, '5m'))",
  "sum_devices(metric)",
  "max_devices(metric)",
  "p95_devices(metric)",
];

/** Devices that are asked for their metrics. */
const ASKED = 200;
const SHOWN = 24;

/** Metrics and functions to write a condition with: a click puts one at the caret. */
export class ConditionWords extends Live {
  static override properties = { devices: { attribute: false }, field: { attribute: false } };
  declare devices: readonly string[];
  declare field: () => HTMLTextAreaElement | null;

  override render() {
    const metrics = new Set<string>();
    for (const id of this.devices.slice(0, ASKED))
      for (const metric of plant.fleet.get(id)?.series.keys() ?? []) metrics.add(metric);
    return html`<div class="words" aria-label="Put into the condition">
      ${[...metrics]
        .sort()
        .slice(0, SHOWN)
        .map(
          (metric) => html`<button type="button" @click=${() => this.#insert(writeMetric(metric))}>${metric}</button>`,
        )}
      <details><summary>Functions</summary><div class="words">${FUNCTIONS.map((call) => html`<button type="button" class="function" @click=${() => this.#insert(call, call.includes("zone") ? "zone" : "metric")}>${call.replace("metric, ", "…, ").replace("(metric)", "(…)")}</button>`)}</div></details>
    </div>`;
  }

  /** Puts `text` at the caret and selects `toReplace` in it. */
  #insert(text: string, toReplace?: string): void {
    const field = this.field();
    if (!field) return;
    const { selectionStart, selectionEnd, value } = field;
    const space = selectionStart > 0 && !/[\s(]$/.test(value.slice(0, selectionStart)) ? " " : "";
    field.setRangeText(space + text, selectionStart, selectionEnd, "end");
    const at = toReplace ? field.value.indexOf(toReplace, selectionStart) : -1;
    if (toReplace && at >= 0) field.setSelectionRange(at, at + toReplace.length);
    field.focus();
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
}
customElements.define("condition-words", ConditionWords);
