import { metricsIn } from "../reading/limits";
import { formatValue } from "../reading/number";
import { switchWords } from "../reading/unit";
import type { Alert, AlertLife } from "../wire/contract";

/** What an alert says about its subject, without naming it again. */
export function whatOf(alert: Alert): string {
  const message = alert.message.trim();
  if (message.toLowerCase().startsWith(`${alert.subject.toLowerCase()} `))
    return message.slice(alert.subject.length + 1);
  if (message) return message.replace(/^[:,\s]+/, "");
  return alert.value === null ? alert.rule : `${alert.rule}, at ${formatValue(alert.value)}`;
}

/** The same where the rule's name stands beside it: it is not said twice. */
export function whatBesideRule(alert: Alert): string {
  const what = whatOf(alert);
  for (const between of [": ", ", "])
    if (what.startsWith(alert.rule + between)) return what.slice(alert.rule.length + between.length);
  return what === alert.rule ? "" : what;
}

/** The value with which an alert rang; a switch in the words of the metric that its rule reads, `when`. */
export function readOf(alert: Alert, when = ""): string {
  const [metric = ""] = metricsIn(when);
  return formatValue(alert.value, undefined, switchWords(metric));
}

export const LIFE_WORDS: Record<AlertLife, string> = {
  pending: "pending",
  active: "active",
  acknowledged: "acknowledged",
  cleared_unacknowledged: "cleared, not acknowledged",
  cleared: "cleared",
};

/** How its shape is drawn: solid while it rings, an outline when it is over or set aside. */
export function shapeOf(alert: Alert): "rings" | "waiting" | "over" {
  if (alert.suppression !== "none") return "over";
  if (alert.active) return "rings";
  return alert.state === "cleared_unacknowledged" ? "waiting" : "over";
}

/** Where an alert stands, in the words of the field; shelved and the like come first. */
export function lifeOf(alert: Alert): string {
  if (alert.suppression === "shelved") return "shelved";
  if (alert.suppression === "suppressed") return "suppressed";
  if (alert.suppression === "out_of_service") return "out of service";
  if (alert.latched) return alert.acknowledged ? "latched, acknowledged" : "latched";
  return alert.flapping && alert.active ? `${LIFE_WORDS[alert.state]}, flapping` : LIFE_WORDS[alert.state];
}

const EVENT_WORDS: Record<string, string> = {
  holds: "the condition became true",
  falls: "the condition was no longer true",
  "on-delay over": "rang, when the on-delay was over",
  "off-delay over": "was over, when the off-delay was over",
  "off-delay over, latching": "was over, and latched",
  "re-alarm": "rang again",
  ack: "acknowledged",
  reset: "reset",
  retire: "ended with its rule",
  shelve: "shelved",
  unshelve: "unshelved",
  "shelve expired": "shelving ended",
  suppress: "suppressed",
  unsuppress: "unsuppressed",
  out_of_service: "taken out of service",
  in_service: "put back in service",
  unmuted: "no longer suppressed",
  comment: "commented",
  stored: "on disk after all",
  "not stored yet": "told before it was on disk",
};

/** What happened to an alert, in the words of the field. */
export function eventOf(event: string): string {
  return EVENT_WORDS[event] ?? event;
}
