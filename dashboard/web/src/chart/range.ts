import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import { query, setQuery } from "../shell/route";

export const RANGES = [
  { name: "5m", label: "5 min", ms: 300_000 },
  { name: "1h", label: "1 h", ms: 3_600_000 },
  { name: "6h", label: "6 h", ms: 21_600_000 },
  { name: "24h", label: "24 h", ms: 86_400_000 },
  { name: "7d", label: "7 d", ms: 604_800_000 },
] as const;

export interface Span {
  from: number;
  to: number;
}

/** Buckets a chart asks for: about one for each pixel or two. */
export const POINTS = 600;

/** A range that grows begins with this. */
const LEAST_MS = 60_000;

/** The stretch of time all charts of a view show. State: the range up to now, or the part zoomed into. */
export class Range {
  readonly name: ReadonlySignal<string> = computed(() => {
    const asked = query.value.get("range");
    return RANGES.some(({ name }) => name === asked) ? (asked as string) : "5m";
  });
  readonly ms = computed(() => RANGES.find(({ name }) => name === this.name.value)?.ms ?? RANGES[0].ms);
  readonly zoom = signal<Span | null>(null);
  /** The first reading that the charts know of, as long as the server has none that is older than the shortest range. */
  readonly begins = signal<number | null>(null);
  /** Width of a bucket; never under half a second. */
  readonly stepMs = computed(() => {
    const zoom = this.zoom.value;
    return Math.max(500, Math.ceil((zoom ? zoom.to - zoom.from : this.ms.value) / POINTS / 500) * 500);
  });

  choose(name: string): void {
    this.zoom.value = null;
    setQuery({ range: name === "5m" ? null : name });
  }

  /** What is shown at `now`: pinned to the live edge until the reader zooms. The shortest range grows until it is full. */
  span(now: number): Span {
    const from = now - this.ms.value;
    const begins = this.ms.value === RANGES[0].ms ? this.begins.value : null;
    return this.zoom.value ?? { from: begins ? Math.max(from, Math.min(begins, now - LEAST_MS)) : from, to: now };
  }

  /** A chart has readings from `at` on; `oldest` is the first that history has. */
  found(at: number | undefined, oldest: number | null, now: number): void {
    const isYoung = oldest === null || oldest > now - RANGES[0].ms;
    if (!isYoung) this.begins.value = null;
    else if (at !== undefined && (this.begins.value === null || at < this.begins.value)) this.begins.value = at;
  }
}
