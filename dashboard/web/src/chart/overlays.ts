import type uPlot from "uplot";
import type { Limit } from "../reading/limits";
import { formatNumber } from "../reading/number";
import { colour } from "../shell/theme";
import { type Alert, millis } from "../wire/contract";

const FONT = "500 11px Inter, system-ui, sans-serif";

/** Shades the time each alert rang, with a solid line on top. */
export function drawAlerts(chart: uPlot, alerts: readonly Alert[], now: number): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const alert of [...alerts].reverse()) {
    const from = millis(alert.began_at) ?? millis(alert.raised_at) ?? now;
    const to = millis(alert.cleared_at) ?? now;
    const left = chart.valToPos(from, "x", true);
    const width = Math.max(2 * ratio, chart.valToPos(to, "x", true) - left);
    ctx.fillStyle = colour(alert.severity);
    ctx.globalAlpha = 0.13;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(left, bbox.top, width, 3 * ratio);
  }
  ctx.restore();
}

/** Draws the thresholds of the rules as dashed lines; one outside the chart is named at its edge. */
export function drawLimits(chart: uPlot, limits: readonly Limit[]): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const scale = chart.scales.y;
  if (scale?.min == null || scale.max == null) return;
  ctx.save();
  ctx.font = FONT.replace("11px", `${11 * ratio}px`);
  ctx.textAlign = "right";
  const right = bbox.left + bbox.width - 6 * ratio;
  let above = 0;
  for (const limit of limits) {
    const words = `${limit.over ? `${limit.over} ` : ""}${limit.operator} ${formatNumber(limit.value)}`;
    ctx.fillStyle = colour(`${limit.severity}-ink`);
    ctx.strokeStyle = colour(`${limit.severity}-ink`);
    if (limit.value > scale.max || limit.value < scale.min) {
      const isAbove = limit.value > scale.max;
      const offset = isAbove ? 12 + 14 * above++ : 0;
      const y = isAbove ? bbox.top + offset * ratio : bbox.top + bbox.height - 5 * ratio;
      ctx.globalAlpha = 0.8;
      ctx.fillText(`${isAbove ? "↑" : "↓"} ${words}`, right, y);
      ctx.globalAlpha = 1;
      continue;
    }
    const y = Math.round(chart.valToPos(limit.value, "y", true)) + 0.5;
    ctx.lineWidth = ratio;
    ctx.setLineDash(limit.over ? [2 * ratio, 4 * ratio] : [7 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const isNearTop = y - bbox.top < 16 * ratio;
    ctx.fillText(words, right, isNearTop ? y + 13 * ratio : y - 4 * ratio);
  }
  ctx.restore();
}

/** The y range: all data, limits that are near, and a little room. */
export function valueRange(low: number | null, high: number | null, limits: readonly Limit[]): [number, number] {
  if (low === null || high === null) return [0, 1];
  const span = Math.max(high - low, Math.abs(high + low) * 0.005, 1e-6);
  let [bottom, top] = [low, high];
  for (const { value } of limits) {
    if (value > high && value <= high + 1.5 * span) top = Math.max(top, value);
    if (value < low && value >= low - 1.5 * span) bottom = Math.min(bottom, value);
  }
  const room = Math.max(top - bottom, span) * 0.1;
  return [bottom - room, top + room];
}
