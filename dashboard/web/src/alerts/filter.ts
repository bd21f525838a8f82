import { byUrgency, isOpen, needsAcknowledgement, rangAt } from "../plant/alerts";
import type { Alert } from "../wire/contract";

export const STATES = [
  ["open", "Open"],
  ["unacknowledged", "Not acknowledged"],
  ["shelved", "Shelved"],
  ["cleared", "Cleared"],
  ["all", "All"],
] as const;
export type StateFilter = (typeof STATES)[number][0];

export interface Filter {
  state: StateFilter;
  severity: string | null;
  text: string;
}

export function readFilter(query: URLSearchParams): Filter {
  const state = STATES.find(([name]) => name === query.get("state"))?.[0] ?? "open";
  return { state, severity: query.get("severity"), text: query.get("q") ?? "" };
}

export function isIn(state: StateFilter, alert: Alert): boolean {
  switch (state) {
    case "open":
      return isOpen(alert) && alert.suppression === "none";
    case "unacknowledged":
      return needsAcknowledgement(alert);
    case "shelved":
      return alert.suppression !== "none";
    case "cleared":
      return alert.state === "cleared";
    case "all":
      return true;
  }
}

/** The alerts a filter lets through: the most urgent first while they are open, else the newest first. */
export function filterAlerts(alerts: readonly Alert[], { state, severity, text }: Filter): Alert[] {
  const wanted = text.trim().toLowerCase();
  return alerts
    .filter(
      (alert) =>
        isIn(state, alert) &&
        (!severity || alert.severity === severity) &&
        (!wanted || `${alert.subject} ${alert.rule} ${alert.message}`.toLowerCase().includes(wanted)),
    )
    .sort(state === "open" || state === "unacknowledged" ? byUrgency : (a, b) => rangAt(b) - rangAt(a));
}
