import { whatOf } from "../alerts/words";
import type { Alert } from "../wire/contract";

/** What a screen reader says of critical alerts that rang together. */
export function sentence(alerts: readonly Alert[]): string {
  const newest = alerts.at(-1);
  if (!newest) return "";
  const one = `${newest.subject}: ${whatOf(newest)}`;
  return alerts.length === 1 ? `Critical alert. ${one}` : `${alerts.length} new critical alerts. The newest is ${one}`;
}
