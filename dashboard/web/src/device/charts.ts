import type { Series } from "../plant/device";
import { byName } from "../reading/groups";

export interface Chart {
  key: string;
  unit: string;
  metrics: string[];
}

/** Lines that can be told apart in one chart. */
const LINES = 4;

/**
 * Which metrics share a chart: those of one unit, four at most; metrics without a unit and switches stand alone.
 * First what rules watch, in the order of `watched`, then the other numbers, then switches.
 */
export function chartsOf(series: Iterable<Series>, watched: readonly string[] = []): Chart[] {
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
  const rank = ({ metrics, unit }: Chart) => {
    const places = metrics.map((metric) => watched.indexOf(metric)).filter((place) => place >= 0);
    return places.length > 0 ? Math.min(...places) : watched.length + Number(unit === "");
  };
  return [...charts.values()].sort((a, b) => rank(a) - rank(b));
}
