import type { AlertLife, Preview, PreviewSubject, RuleText } from "../wire/contract";
import { millis } from "../wire/contract";

/** A stretch of a device's strip, as shares of the range: 0 is its beginning, 1 its end. */
export interface Stretch {
  from: number;
  to: number;
  is: "pending" | "ringing";
}

const RINGING: readonly AlertLife[] = ["active", "acknowledged"];

/** When an alert would have been pending or active. Transitions that are not listed are not drawn. */
export function stretches(subject: PreviewSubject, range: Preview): Stretch[] {
  const begin = millis(range.from) ?? 0;
  const span = Math.max((millis(range.to) ?? 0) - begin, 1);
  const share = (at: string) => Math.min(Math.max(((millis(at) ?? 0) - begin) / span, 0), 1);
  const found: Stretch[] = [];
  const { changes } = subject;
  const isWhole = changes.length === subject.changes_total;
  changes.forEach(({ at, state }, index) => {
    const is = RINGING.includes(state) ? "ringing" : state === "pending" ? "pending" : null;
    if (is === null) return;
    const next = changes[index + 1];
    if (!next && !isWhole) return;
    const [from, to] = [share(at), next ? share(next.at) : 1];
    const before = found.at(-1);
    if (before?.is === is && before.to === from) before.to = to;
    else found.push({ from, to, is });
  });
  return found;
}

/** What of a rule decides when it rings. */
export function question(rule: RuleText): string {
  const { devices, tags, group_by, when, clear, on_delay, off_delay, latch } = rule;
  return JSON.stringify([devices, tags, group_by, when, clear, on_delay, off_delay, latch]);
}
