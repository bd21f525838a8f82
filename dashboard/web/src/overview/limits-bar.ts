import { html, nothing, svg, type TemplateResult } from "lit";
import type { Series } from "../plant/device";
import { type Limit, placeOn, type Scale, scaleFor } from "../reading/limits";
import { formatNumber } from "../reading/number";

/** Where a value stands between its limits: a thin line, the stretches beyond the limits, and a mark for the value. */
export function limitsBar(series: Series, limits: readonly Limit[]): TemplateResult | typeof nothing {
  // The worst is painted last, over the others.
  const own = limits.filter((limit) => limit.metric === series.metric).toReversed();
  const scale = scaleFor(own);
  const value = series.value;
  if (!scale || typeof value !== "number") return nothing;
  const words = own.map((limit) =>
    `${limit.over ?? ""} ${limit.operator} ${formatNumber(limit.value)} (${limit.severity})`.trim(),
  );
  return html`<svg class="limits" role="img" aria-label="limits: ${words.join(", ")}">
    <title>Rings at ${words.join(", ")}</title>
    <rect class="line" x="0" y="4" width="100%" height="2"></rect>
    ${own.map((limit) => zone(limit, scale, value))}
    <svg x=${percent(placeOn(scale, value))} overflow="visible"><path class="mark" d="M-3.5 0h7L0 5.5Z"></path></svg>
  </svg>`;
}

/** The stretch beyond a limit; in colour only while the value is in it. */
function zone(limit: Limit, scale: Scale, value: number) {
  const at = placeOn(scale, limit.value);
  const isAbove = limit.operator.startsWith(">");
  return svg`<rect class="zone" data-severity=${limit.severity} ?data-beyond=${limit.over === null && isBeyond(limit, value)}
      x=${percent(isAbove ? at : 0)} y="3" width=${percent(isAbove ? 1 - at : at)} height="4"></rect>
    <rect class="tick" x=${percent(at)} y="1" width="1.5" height="8"></rect>`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

function isBeyond({ operator, value: limit }: Limit, value: number): boolean {
  if (operator === ">") return value > limit;
  if (operator === ">=") return value >= limit;
  if (operator === "<") return value < limit;
  return operator === "<=" && value <= limit;
}
