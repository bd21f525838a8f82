import type uPlot from "uplot";
import { colour } from "../shell/theme";

/** Shorter than this a spread is within the line. */
const LEAST_PX = 3;
/** Beyond one in so many pixels spreads are a band, and are drawn as lightly as one. */
const APART_PX = 8;

type Values = ArrayLike<number | null | undefined>;

/** Points of time that stand for readings apart from each other: places in `low` and `high`. */
export function spreadsIn(low: Values, high: Values, from = 0, to = low.length - 1): number[] {
  const found: number[] = [];
  for (let at = from; at <= to; at++) {
    const [bottom, top] = [low[at], high[at]];
    if (bottom != null && top != null && top > bottom) found.push(at);
  }
  return found;
}

/** No dot at the mean of readings that lie apart: none of them was there. For uPlot's `points.filter` of a line of `align`. */
export function withoutSpreads(plot: uPlot, line: number, isShown: boolean): number[] | null {
  const [mean, low, high] = [plot.data[line], plot.data[line + 1], plot.data[line + 2]];
  if (!isShown || !mean || !low || !high) return null;
  const apart = new Set(spreadsIn(low, high));
  return Array.from(mean.keys()).filter((at) => mean[at] != null && !apart.has(at));
}

/** Draws from the smallest to the largest reading of each point of time, so that a spike of one reading is never hidden in a mean. */
export function drawSpreads(plot: uPlot, lines: number): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const [time] = plot.data;
  const { min, max } = plot.scales.x ?? {};
  if (min == null || max == null) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = 1.5 * ratio;
  for (let line = 0; line < lines; line++) {
    const [low, high] = [plot.data[line * 3 + 2], plot.data[line * 3 + 3]];
    if (!low || !high) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(`line-${line % 4}`);
    const shown = spreadsIn(low, high).filter((at) => (time[at] ?? 0) >= min && (time[at] ?? 0) <= max);
    const isBand = shown.length * APART_PX * ratio > bbox.width;
    ctx.globalAlpha = isBand ? 0.4 : 1;
    for (const at of shown) {
      const x = plot.valToPos(time[at] ?? 0, "x", true);
      const [bottom, top] = [plot.valToPos(low[at] ?? 0, "y", true), plot.valToPos(high[at] ?? 0, "y", true)];
      if (bottom - top < LEAST_PX * ratio) continue;
      ctx.beginPath();
      ctx.moveTo(x, bottom);
      ctx.lineTo(x, top);
      ctx.stroke();
      if (isBand) continue;
      for (const end of [bottom, top]) {
        ctx.beginPath();
        ctx.arc(x, end, 2 * ratio, 0, 7);
        ctx.fill();
      }
    }
  }
  ctx.restore();
}
