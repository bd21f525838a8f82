import { type Frame, millis, type Reading, type SeriesAnswer } from "../wire/contract";

interface Bucket {
  min: number;
  max: number;
  sum: number;
  count: number;
}

/**
 * One metric on a fixed time grid. State: buckets by number (time / step), in which history and live readings meet, and the
 * live readings that are held back until history has come: it says which of them it has.
 */
export class Buckets {
  readonly #buckets = new Map<number, Bucket>();

  #held: [Reading, Pick<Frame, "at" | "received_at">][] | null = null;
  #known = Number.NEGATIVE_INFINITY;

  constructor(readonly stepMs: number) {}

  get size(): number {
    return this.#buckets.size;
  }

  load(answer: SeriesAnswer): void {
    answer.time.forEach((time, i) => {
      const [at, avg, count] = [millis(time), answer.avg[i], answer.count[i] ?? 1];
      if (at === null || avg == null || count === 0) return;
      this.#merge(at, { min: answer.min[i] ?? avg, max: answer.max[i] ?? avg, sum: avg * count, count });
    });
    this.#known = millis(answer.at) ?? this.#known;
    this.release();
  }

  /** From now on readings wait for `load` or `release`. */
  hold(): void {
    this.#held ??= [];
  }

  /** Takes what waited, unless history has it. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const [reading, frame] of held) this.take(reading, frame);
  }

  /** A row of the stream, unless it is of a text or history has it: its mean weighs, not its newest value. */
  take(reading: Reading, frame: Pick<Frame, "at" | "received_at">): void {
    if (this.#held) {
      this.#held.push([reading, frame]);
      return;
    }
    const [, , time, value, min, max, count, mean] = reading;
    // Of the one frame that began before history was read and ended after it, the time of the reading decides.
    const isKnown = frame.received_at <= this.#known && (frame.at < this.#known || time <= this.#known);
    if (isKnown || typeof value === "string") return;
    const newest = Number(value);
    this.add(time, mean ?? newest, Number(min ?? newest), Number(max ?? newest), count);
  }

  add(time: number, mean: number, min: number, max: number, count: number): void {
    this.#merge(time, { min, max, sum: mean * count, count });
  }

  forgetBefore(time: number): void {
    const first = Math.floor(time / this.stepMs);
    for (const slot of this.#buckets.keys()) if (slot < first) this.#buckets.delete(slot);
  }

  /** When the first bucket begins. */
  get begins(): number | undefined {
    let first: number | undefined;
    for (const slot of this.#buckets.keys()) if (first === undefined || slot < first) first = slot;
    return first === undefined ? undefined : first * this.stepMs;
  }

  /** Bucket numbers in order. */
  slots(): number[] {
    return [...this.#buckets.keys()].sort((a, b) => a - b);
  }

  at(slot: number): (Bucket & { avg: number }) | undefined {
    const bucket = this.#buckets.get(slot);
    return bucket && { ...bucket, avg: bucket.sum / bucket.count };
  }

  /** The bucket nearest to a time, unless it is further away than a gap. */
  nearest(time: number): (Bucket & { avg: number }) | undefined {
    const wanted = time / this.stepMs - 0.5;
    const slots = this.slots();
    let best: number | undefined;
    for (const slot of slots) if (best === undefined || Math.abs(slot - wanted) < Math.abs(best - wanted)) best = slot;
    return best !== undefined && Math.abs(best - wanted) <= gapLength(slots) / 2 ? this.at(best) : undefined;
  }

  #merge(time: number, given: Bucket): void {
    const slot = Math.floor(time / this.stepMs);
    const known = this.#buckets.get(slot);
    if (!known) {
      this.#buckets.set(slot, given);
      return;
    }
    known.min = Math.min(known.min, given.min);
    known.max = Math.max(known.max, given.max);
    known.sum += given.sum;
    known.count += given.count;
  }
}

/** From this distance on two slots are not joined: three times the usual one. */
function gapLength(slots: readonly number[]): number {
  const distances = slots.slice(1).map((slot, i) => slot - (slots[i] ?? slot));
  const usual = distances.sort((a, b) => a - b)[Math.floor(distances.length / 2)] ?? 1;
  return Math.max(3, 3 * usual);
}

/** Slots in which a line is broken: nothing came for longer than a gap. */
export function gapsIn(slots: readonly number[]): number[] {
  const longest = gapLength(slots);
  return slots.filter((slot, i) => (slots[i + 1] ?? slot) - slot > longest).map((slot) => slot + 1);
}

/** A column for uPlot: null breaks the line, undefined lets it pass. */
export type Column = (number | null | undefined)[];

/** `[time in ms, avg, min, max, avg, min, max, …]` of several metrics on one time axis. */
export function align(all: readonly Buckets[]): [number[], ...Column[]] {
  const stepMs = all[0]?.stepMs ?? 1;
  const gaps = all.map((buckets) => new Set(gapsIn(buckets.slots())));
  const slots = [...new Set(all.flatMap((buckets, i) => [...buckets.slots(), ...(gaps[i] ?? [])]))].sort(
    (a, b) => a - b,
  );
  const columns = all.flatMap((buckets, i) => {
    const [avg, min, max]: [Column, Column, Column] = [[], [], []];
    for (const slot of slots) {
      const bucket = buckets.at(slot);
      const nothing = gaps[i]?.has(slot) ? null : undefined;
      avg.push(bucket ? bucket.avg : nothing);
      min.push(bucket ? bucket.min : nothing);
      max.push(bucket ? bucket.max : nothing);
    }
    return [avg, min, max];
  });
  return [slots.map((slot) => (slot + 0.5) * stepMs), ...columns];
}
