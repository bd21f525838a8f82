import type { Value } from "../wire/contract";

const formats = new Map<number, Intl.NumberFormat>();

function fixed(decimals: number): Intl.NumberFormat {
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format;
}

/** Decimals that show about four significant digits of values up to `magnitude`, at most five. */
export function decimalsFor(magnitude: number): number {
  if (!Number.isFinite(magnitude) || magnitude === 0) return 1;
  const digits = Math.floor(Math.log10(magnitude)) + 1;
  if (digits >= 5) return 0;
  if (digits >= 2) return 1;
  if (digits === 1) return 2;
  return Math.min(5, 3 - digits);
}

export function formatNumber(
  value: number,
  decimals = Number.isInteger(value) ? 0 : decimalsFor(Math.abs(value)),
): string {
  const text = fixed(decimals).format(value).replace("-", "\u2212");
  return /^\u2212[0.]*$/.test(text) ? text.slice(1) : text;
}

/** Decimals with which a number was written, at most five. */
export function decimalsOf(value: number): number {
  for (let decimals = 0; decimals < 5; decimals++) {
    const scaled = value * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return decimals;
  }
  return 5;
}

/** Words for the two states of a switch. */
export type SwitchWords = readonly [off: string, on: string];

export function formatValue(value: Value | null, decimals?: number, [off, on]: SwitchWords = ["no", "yes"]): string {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? on : off;
  return typeof value === "number" ? formatNumber(value, decimals) : value;
}

/** What a switch was over some time: `on`, `off`, or the share of it that it was on. */
export function formatSwitch(share: number, [off, on]: SwitchWords): string {
  if (share >= 1) return on;
  return share <= 0 ? off : `${on} ${fixed(0).format(Math.min(99, Math.max(1, share * 100)))} %`;
}

export function formatCount(count: number): string {
  return fixed(0).format(count);
}

/** A rate a second; below ten with one decimal. */
export function formatRate(perSecond: number): string {
  return fixed(perSecond > 0 && perSecond < 10 ? 1 : 0).format(perSecond);
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (bytes >= 1024 && step < units.length - 1) {
    bytes /= 1024;
    step += 1;
  }
  return `${fixed(step === 0 || bytes >= 100 ? 0 : 1).format(bytes)} ${units[step]}`;
}

/** The share in percent, rounded down so that it never claims more than was counted: 99.99, and 100 only for all. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return "–";
  if (part >= whole) return "100 %";
  const decimals = whole >= 100_000 ? 3 : whole >= 1_000 ? 2 : 1;
  const scale = 10 ** decimals;
  return `${fixed(decimals).format(Math.floor((part / whole) * 100 * scale) / scale)} %`;
}
