import { decimalsOf, formatNumber } from "../reading/number";

/** A time on an axis: with seconds where the steps are shorter than a minute, a date at midnight. */
export function clockLabel(at: number, stepMs: number): string {
  const date = new Date(at);
  const two = (part: number) => String(part).padStart(2, "0");
  if (date.getHours() === 0 && date.getMinutes() === 0 && stepMs >= 3_600_000) {
    return `${date.getDate()} ${date.toLocaleString("en", { month: "short" })}`;
  }
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return stepMs < 60_000 ? `${clock}:${two(date.getSeconds())}` : clock;
}

/** The ticks of a value axis with as many decimals as their steps need: 35.0, 37.5, 40.0. */
export function tickLabels(ticks: readonly number[]): string[] {
  const decimals = decimalsOf((ticks[1] ?? 1) - (ticks[0] ?? 0));
  return ticks.map((value) => formatNumber(value, decimals));
}
