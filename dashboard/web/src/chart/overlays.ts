import type uPlot from "uplot";
import { rangAt } from "../plant/alerts";
import type { Limit } from "../reading/limits";
import { formatNumber } from "../reading/number";
import { colour } from "../shell/theme";
import { type Alert, millis } from "../wire/contract";

const FACE = "Inter, system-ui, sans-serif";

/** Shades the time each alert rang, with a solid line on top. */
export function drawAlerts(chart: uPlot, alerts: readonly Alert[], now: number): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - 3 * ratio, bbox.width, bbox.height + 3 * ratio);
  ctx.clip();
  for (const alert of [...alerts].reverse()) {
    const from = rangAt(alert);
    const to = millis(alert.cleared_at) ?? now;
    const left = chart.valToPos(from, "x", true);
    const width = Math.max(2 * ratio, chart.valToPos(to, "x", true) - left);
    ctx.fillStyle = colour(alert.severity);
    ctx.globalAlpha = 0.13;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(left, bbox.top - 3 * ratio, width, 3 * ratio);
  }
  ctx.restore();
}

/** Draws the thresholds of the rules as dashed lines; one outside the chart is named at its edge. */
export function drawLimits(chart: uPlot, limits: readonly Limit[]): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const scale = chart.scales.y;
  if (scale?.min == null || scale.max == null) return;
  const { min, max } = scale;
  const bottom = bbox.top + bbox.height;
  const labels: Label[] = [];
  ctx.save();
  ctx.font = `500 ${11 * ratio}px ${FACE}`;
  ctx.textAlign = "right";
  for (const limit of limits) {
    const words = `${limit.over ? `${limit.over} ` : ""}${limit.operator} ${formatNumber(limit.value)}`;
    const ink = colour(`${limit.severity}-ink`);
    if (limit.value > max) labels.push({ words: `↑ ${words}`, ink, y: bbox.top + 12 * ratio });
    else if (limit.value < min) labels.push({ words: `↓ ${words}`, ink, y: bottom - 5 * ratio });
    else {
      const y = Math.round(chart.valToPos(limit.value, "y", true)) + 0.5;
      ctx.strokeStyle = ink;
      ctx.lineWidth = ratio;
      ctx.setLineDash(limit.over ? [2 * ratio, 4 * ratio] : [7 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      labels.push({ words, ink, y: y - bbox.top < 16 * ratio ? y + 13 * ratio : y - 4 * ratio });
    }
  }
  const drawn: (Label & { left: number })[] = [];
  for (const label of labels) {
    // A label that would lie on another goes to its left.
    const beside = drawn.filter(({ y }) => Math.abs(y - label.y) < 13 * ratio).map(({ left }) => left);
    const right = Math.min(bbox.left + bbox.width - 6 * ratio, ...beside.map((left) => left - 10 * ratio));
    ctx.setLineDash([]);
    ctx.lineWidth = 4 * ratio;
    ctx.lineJoin = "round";
    ctx.strokeStyle = colour("panel");
    ctx.strokeText(label.words, right, label.y);
    ctx.fillStyle = label.ink;
    ctx.fillText(label.words, right, label.y);
    drawn.push({ ...label, left: right - ctx.measureText(label.words).width });
  }
  ctx.restore();
}

interface Label {
  words: string;
  ink: string;
  y: number;
}

/** The y range: all data, limits that are near, and a little room. */
export function valueRange(low: number | null, high: number | null, limits: readonly Limit[]): [number, number] {
  if (low === null || high === null) return [0, 1];
  const span = Math.max(high - low, Math.abs(high + low) * 0.01, 1e-6);
  let [bottom, top] = [low, high];
  for (const { value } of limits) {
    if (value > high && value <= high + 1.5 * span) top = Math.max(top, value);
    if (value < low && value >= low - 1.5 * span) bottom = Math.min(bottom, value);
  }
  const room = Math.max(top - bottom, span) * 0.1;
  return [bottom - room, top + room];
}
