/** One slot of a sparkline covers this long. */
export const SLOT_MS = 5_000;
export const SLOTS = 60;

/** The last five minutes of one series in 5 s slots with min, max and last value: what a sparkline and a trend need. */
export class Trail {
  readonly min = new Float64Array(SLOTS);
  readonly max = new Float64Array(SLOTS);
  readonly last = new Float64Array(SLOTS);
  /** Slot number (time / SLOT_MS) each place holds; 0 where nothing was written. */
  readonly slot = new Float64Array(SLOTS);
  newest = 0;
  /** How often anything was added. */
  filled = 0;

  add(time: number, value: number, min = value, max = value): void {
    const slot = Math.floor(time / SLOT_MS);
    if (slot <= this.newest - SLOTS) return;
    this.filled++;
    const place = slot % SLOTS;
    if (this.slot[place] === slot) {
      this.min[place] = Math.min(this.min[place] ?? min, min);
      this.max[place] = Math.max(this.max[place] ?? max, max);
    } else {
      this.slot[place] = slot;
      this.min[place] = min;
      this.max[place] = max;
    }
    this.last[place] = value;
    this.newest = Math.max(this.newest, slot);
  }

  /** Places of the filled slots from `SLOTS - 1` before `slot` up to it, oldest first. */
  *places(slot = this.newest): Generator<number> {
    for (let s = slot - SLOTS + 1; s <= slot; s++) {
      const place = ((s % SLOTS) + SLOTS) % SLOTS;
      if (this.slot[place] === s) yield place;
    }
  }

  /** The oldest slot held. */
  get oldest(): number {
    for (const place of this.places()) return this.slot[place] ?? this.newest;
    return this.newest;
  }

  /** Least and greatest value held, or null while nothing is. */
  range(): [number, number] | null {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const place of this.places()) {
      low = Math.min(low, this.min[place] ?? low);
      high = Math.max(high, this.max[place] ?? high);
    }
    return low <= high ? [low, high] : null;
  }
}
