import { SLOT_MS, type Trail } from "./trail";

export type Trend = "up" | "rising" | "steady" | "falling" | "down";

/** Slots the trend looks back over: one minute. */
const SLOTS_BACK = 12;

/**
 * Where a series is heading: a straight line through the last minute. It counts as movement when the line's rise is more
 * than twice the scatter around it and more than one percent of the scale; more than a tenth of the scale is steep.
 * `scale` is what matters for this value, such as the distance between its limits; by default its own size.
 */
export function trendOf(trail: Trail, scale?: number): Trend | null {
  const points: [number, number][] = [];
  for (const place of trail.places()) {
    const slot = trail.slot[place] ?? 0;
    if (slot > trail.newest - SLOTS_BACK) points.push([(slot - trail.newest) * SLOT_MS, trail.last[place] ?? 0]);
  }
  if (points.length < 3) return null;
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let xx = 0;
  let xy = 0;
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
  }
  const slope = xy / xx;
  const scatter = Math.sqrt(points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0) / n);
  const rise = slope * ((points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0));
  const size = Math.abs(scale ?? meanY) || 1;
  if (Math.abs(rise) <= Math.max(2 * scatter, 0.01 * size)) return "steady";
  const steep = Math.abs(rise) > 0.1 * size;
  if (rise > 0) return steep ? "up" : "rising";
  return steep ? "down" : "falling";
}
