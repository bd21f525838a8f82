import uPlot from "uplot";
import { serverNow } from "../plant/clock";
import type { Limit } from "../reading/limits";
import type { SwitchWords } from "../reading/number";
import { colour } from "../shell/theme";
import type { Alert } from "../wire/contract";
import { clockLabel, tickLabels } from "./axis";
import type { Column } from "./buckets";
import { drawAlerts, drawLimits, valueRange } from "./overlays";
import type { Span } from "./range";
import { drawSpreads, withoutSpreads } from "./spreads";

const FONT = "11px Inter, system-ui, sans-serif";
/** Shorter drags are clicks. */
const DRAG_PX = 6;
const SHORTEST_ZOOM_MS = 1_000;

/** What a plot draws, asked for anew at each drawing, and whom it tells. */
export interface PlotSpec {
  lines: number;
  /** What the two states are called where the metric is a boolean, else null. */
  switchWords: SwitchWords | null;
  width: number;
  height: number;
  span: () => Span;
  limits: () => readonly Limit[];
  alerts: () => readonly Alert[];
  /** A stretch was dragged over; null: a double click, back to the live edge. */
  onZoom: (span: Span | null) => void;
  /** The time under the cursor of this or another chart of the view. */
  onPoint: (at: number | null) => void;
}

/** A uPlot whose columns are those of `align`: avg, min and max of each line. All plots of a view share their cursor. */
export function makePlot(place: HTMLElement, spec: PlotSpec): uPlot {
  const axis: uPlot.Axis = {
    stroke: () => colour("dim"),
    font: FONT,
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { show: false },
  };
  const edge: uPlot.Series = { stroke: () => "transparent", width: 0, points: { show: false } };
  const lines = Array.from({ length: spec.lines }, (_, i) => i);
  return new uPlot(
    {
      width: spec.width,
      height: spec.height,
      ms: 1,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        sync: { key: "view", scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        bind: {
          dblclick: () => () => {
            spec.onZoom(null);
            return null;
          },
        },
      },
      scales: {
        x: {
          time: true,
          range: () => {
            const { from, to } = spec.span();
            return [from, to];
          },
        },
        y: { range: (_plot, low, high) => (spec.switchWords ? [-0.15, 1.15] : valueRange(low, high, spec.limits())) },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: 90,
          values: (plot, at, _axis, _space, step) =>
            at.map((time) => (fits(plot, time, step) ? clockLabel(time, step) : "")),
        },
        {
          ...axis,
          size: 54,
          space: 32,
          ...(spec.switchWords ? { splits: () => [0, 1] } : {}),
          values: (_plot, at) => (spec.switchWords ? [...spec.switchWords] : tickLabels(at)),
        },
      ],
      series: [{}, ...lines.flatMap((i) => [line(i, spec.switchWords !== null), edge, edge])],
      bands: lines.map((i) => ({ series: [i * 3 + 3, i * 3 + 2], fill: () => colour(`band-${i % 4}`) })),
      hooks: {
        drawClear: [(plot) => drawAlerts(plot, spec.alerts(), serverNow())],
        draw: [(plot) => drawSpreads(plot, spec.lines), (plot) => drawLimits(plot, spec.limits())],
        setSelect: [(plot) => zoom(plot, spec)],
        setCursor: [(plot) => spec.onPoint(timeUnder(plot))],
      },
    },
    [[], ...lines.flatMap((): Column[] => [[], [], []])] as uPlot.AlignedData,
    place,
  );
}

/** Whether the label of a time has room to the right of it: half of it would be cut off at the edge. */
function fits(plot: uPlot, time: number, stepMs: number): boolean {
  const room = ((plot.scales.x?.max ?? time) - time) / ((plot.scales.x?.max ?? 1) - (plot.scales.x?.min ?? 0));
  return room * plot.bbox.width >= (stepMs < 60_000 ? 26 : 16) * devicePixelRatio;
}

function line(i: number, isSwitch: boolean): uPlot.Series {
  const stroke = () => colour(`line-${i % 4}`);
  const stepped = isSwitch ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
  return {
    stroke,
    width: 1.5,
    points: { size: 4, fill: stroke, filter: withoutSpreads },
    ...(stepped ? { paths: stepped } : {}),
  };
}

function timeUnder(plot: uPlot): number | null {
  const { left } = plot.cursor;
  return left == null || left < 0 ? null : plot.posToVal(left, "x");
}

function zoom(plot: uPlot, { onZoom }: PlotSpec): void {
  const { left, width } = plot.select;
  if (width < DRAG_PX) return;
  const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (to - from >= SHORTEST_ZOOM_MS) onZoom({ from, to });
}
