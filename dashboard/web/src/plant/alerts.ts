import { computed, signal } from "@preact/signals-core";
import { type Alert, millis, SEVERITIES, type Severity } from "../wire/contract";

const RANK: Record<Severity, number> = { critical: 0, major: 1, warning: 2, info: 3 };
/** Cleared alerts kept for the lists; older ones are asked for when somebody wants to see them. */
const CLEARED_KEPT = 1_000;

export type Counts = Record<Severity, number>;

/** When an alert rang; of one that has not yet, when its condition began. */
export function rangAt(alert: Alert): number {
  return millis(alert.raised_at) ?? millis(alert.began_at) ?? 0;
}

/** Whether an alert is something to look at: it rings or waits for somebody to say that they know. */
export function isOpen(alert: Alert): boolean {
  return alert.state === "active" || alert.state === "acknowledged" || alert.state === "cleared_unacknowledged";
}

export function needsAcknowledgement(alert: Alert): boolean {
  return isOpen(alert) && !alert.acknowledged && alert.suppression === "none";
}

/** Worst first: what rings now before what only waits to be acknowledged, then by severity, unacknowledged, newest. */
export function byUrgency(a: Alert, b: Alert): number {
  return (
    Number(b.active) - Number(a.active) ||
    RANK[a.severity] - RANK[b.severity] ||
    Number(a.acknowledged) - Number(b.acknowledged) ||
    rangAt(b) - rangAt(a)
  );
}

/** All alerts the page knows. State: alerts by id, the newest revision of each wins. */
export class AlertBook {
  readonly #alerts = new Map<string, Alert>();
  /** Rises with every change: for those who need to know that, and work it out later. */
  readonly revision = signal(0);
  #listing: Set<string> | null = null;

  readonly all = computed<Alert[]>(() => {
    this.revision.value;
    return [...this.#alerts.values()].filter((alert) => alert.raised_at !== null || alert.state === "pending");
  });
  readonly open = computed(() => this.all.value.filter(isOpen).sort(byUrgency));
  readonly newestFirst = computed(() =>
    this.all.value.filter((alert) => alert.raised_at !== null).sort((a, b) => rangAt(b) - rangAt(a)),
  );
  /** The one to acknowledge first. */
  readonly worst = computed(() => this.open.value.find(needsAcknowledgement) ?? null);
  readonly counts = computed<Counts>(() => {
    const counts: Counts = { critical: 0, major: 0, warning: 0, info: 0 };
    for (const alert of this.open.value) if (alert.suppression === "none") counts[alert.severity]++;
    return counts;
  });
  /** The most urgent open alert of each device; shelved and suppressed ones do not colour a tile. */
  readonly worstByDevice = computed(() => {
    const worst = new Map<string, Alert>();
    for (const alert of this.open.value) {
      if (alert.device !== null && alert.suppression === "none" && !worst.has(alert.device))
        worst.set(alert.device, alert);
    }
    return worst;
  });

  get(id: string): Alert | undefined {
    this.revision.value;
    return this.#alerts.get(id);
  }

  /** Takes an alert unless a newer revision is known; tells whether it is one that has just begun to ring. */
  take(alert: Alert): boolean {
    this.#listing?.add(alert.id);
    const known = this.#alerts.get(alert.id);
    if (known && known.revision > alert.revision) return false;
    this.#alerts.set(alert.id, alert);
    this.#forgetOldest();
    this.revision.value++;
    return alert.state === "active" && known?.state !== "active" && known?.state !== "acknowledged";
  }

  /** The server starts over; what it does not tell again before `settle` is gone. */
  reset(): void {
    this.#listing = new Set();
  }

  settle(): void {
    if (!this.#listing) return;
    for (const id of this.#alerts.keys()) if (!this.#listing.has(id)) this.#alerts.delete(id);
    this.#listing = null;
    this.revision.value++;
  }

  #forgetOldest(): void {
    if (this.#alerts.size < CLEARED_KEPT * 2) return;
    const cleared = [...this.#alerts.values()].filter((alert) => alert.state === "cleared");
    if (cleared.length < CLEARED_KEPT * 1.5) return;
    cleared.sort((a, b) => rangAt(a) - rangAt(b));
    for (const alert of cleared.slice(0, cleared.length - CLEARED_KEPT)) this.#alerts.delete(alert.id);
  }
}

export function worstSeverity(counts: Counts): Severity | null {
  return SEVERITIES.find((severity) => counts[severity] > 0) ?? null;
}
