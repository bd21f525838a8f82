import type { Series } from "../plant/device";
import { byName } from "../reading/groups";

export interface Chart {
  key: string;
  unit: string;
  metrics: string[];
}

/** Lines that can be told apart in one chart. */
const LINES = 4;

/** Which metrics share a chart: those of one unit, four at most; metrics without a unit and switches stand alone. */
export function chartsOf(series: Iterable<Series>): Chart[] {
  const charts = new Map<string, Chart>();
  for (const { metric, unit, value } of [...series].sort((a, b) => byName(a.metric, b.metric))) {
    if (typeof value !== "number" && typeof value !== "boolean") continue;
    const shares = unit !== "" && typeof value === "number";
    let key = shares ? unit : `${metric} alone`;
    for (let page = 2; (charts.get(key)?.metrics.length ?? 0) >= LINES; page++) key = `${unit} ${page}`;
    const chart = charts.get(key);
    if (chart) chart.metrics.push(metric);
    else charts.set(key, { key, unit, metrics: [metric] });
  }
  return [...charts.values()].sort((a, b) => Number(a.unit === "") - Number(b.unit === ""));
}
