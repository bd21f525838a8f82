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

/** The stretch of time all charts of a view show. State: the range up to now, or the part zoomed into. */
export class Range {
  readonly name: ReadonlySignal<string> = computed(() => {
    const asked = query.value.get("range");
    return RANGES.some(({ name }) => name === asked) ? (asked as string) : "5m";
  });
  readonly ms = computed(() => RANGES.find(({ name }) => name === this.name.value)?.ms ?? RANGES[0].ms);
  readonly zoom = signal<Span | null>(null);
  /** Width of a bucket; never under half a second. */
  readonly stepMs = computed(() => {
    const zoom = this.zoom.value;
    return Math.max(500, Math.ceil((zoom ? zoom.to - zoom.from : this.ms.value) / POINTS / 500) * 500);
  });

  choose(name: string): void {
    this.zoom.value = null;
    setQuery({ range: name === "5m" ? null : name });
  }

  /** What is shown at `now`: pinned to the live edge until the reader zooms. */
  span(now: number): Span {
    return this.zoom.value ?? { from: now - this.ms.value, to: now };
  }
}
