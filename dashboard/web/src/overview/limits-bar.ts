import { html, nothing, svg, type TemplateResult } from "lit";
import type { Series } from "../plant/device";
import { type Limit, placeOn, scaleFor } from "../reading/limits";
import { formatNumber } from "../reading/number";

/** Where a value stands between its limits: a thin line, the stretches beyond the limits, and a mark for the value. */
export function limitsBar(series: Series, limits: readonly Limit[]): TemplateResult | typeof nothing {
  const own = limits.filter((limit) => limit.metric === series.metric);
  const scale = scaleFor(own);
  if (!scale || typeof series.value !== "number") return nothing;
  const percent = (value: number) => `${(placeOn(scale, value) * 100).toFixed(2)}%`;
  const words = own
    .map((limit) => `${limit.over ?? ""} ${limit.operator} ${formatNumber(limit.value)} (${limit.severity})`.trim())
    .join(", ");
  const beyond = own.find((limit) => limit.over === null && isBeyond(limit, series.value as number));
  return html`<svg class="limits" role="img" aria-label="limits: ${words}" data-beyond=${beyond?.severity ?? nothing}>
    <title>Rings at ${words}</title>
    <rect class="line" x="0" y="4" width="100%" height="2"></rect>
    ${own.map((limit) => {
      const at = placeOn(scale, limit.value) * 100;
      const isAbove = limit.operator.startsWith(">");
      return svg`<rect class="zone" data-severity=${limit.severity} x=${`${(isAbove ? at : 0).toFixed(2)}%`} y="3" width=${`${(isAbove ? 100 - at : at).toFixed(2)}%`} height="4"></rect>
        <rect class="tick" x=${percent(limit.value)} y="1" width="1.5" height="8"></rect>`;
    })}
    <svg x=${percent(series.value)} overflow="visible"><path class="mark" d="M-3.5 0h7L0 5.5Z"></path></svg>
  </svg>`;
}

function isBeyond({ operator, value: limit }: Limit, value: number): boolean {
  if (operator === ">") return value > limit;
  if (operator === ">=") return value >= limit;
  if (operator === "<") return value < limit;
  return operator === "<=" && value <= limit;
}
