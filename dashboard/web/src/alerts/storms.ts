import { needsAcknowledgement } from "../plant/alerts";
import type { Alert } from "../wire/contract";

/** From here on many alerts of one rule are one line: one cause, or one rule that asks for too little. */
export const STORM_FROM = 5;

/** Many alerts of one rule. `alerts` are in the order of the list, the most urgent first. */
export interface Storm {
  rule: string;
  alerts: readonly Alert[];
}

export type Line = { storm: Storm; alert?: undefined } | { alert: Alert; storm?: undefined };

/** A list of alerts as lines: a storm stands where its first alert stood, and those of `open` below it. */
export function linesOf(alerts: readonly Alert[], open: string | null): Line[] {
  const byRule = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const others = byRule.get(alert.rule);
    if (others) others.push(alert);
    else byRule.set(alert.rule, [alert]);
  }
  const lines: Line[] = [];
  for (const alert of alerts) {
    const all = byRule.get(alert.rule) ?? [];
    if (all.length < STORM_FROM) lines.push({ alert });
    else if (all[0] === alert) {
      lines.push({ storm: { rule: alert.rule, alerts: all } });
      if (alert.rule === open) for (const each of all) lines.push({ alert: each });
    }
  }
  return lines;
}

/** Those of many that somebody can acknowledge, or shelve. */
export function concerned(action: "ack" | "shelve", alerts: readonly Alert[]): Alert[] {
  return alerts.filter((alert) =>
    action === "ack" ? needsAcknowledgement(alert) : alert.state !== "cleared" && alert.suppression === "none",
  );
}

/** How the alerts of a storm stand: `990 active · 10 acknowledged`. */
export function standingOf(
  alerts: readonly Alert[],
  lifeOf: (alert: Alert) => string,
): [life: string, count: number][] {
  const counts = new Map<string, number>();
  for (const alert of alerts) counts.set(lifeOf(alert), (counts.get(lifeOf(alert)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
