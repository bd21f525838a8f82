import type { Device, Series } from "../plant/device";
import { type Limit, metricsIn } from "../reading/limits";
import type { Alert, Rule } from "../wire/contract";

/** The metric a tile shows large: what its alert is about, else what the rules watch most, else the first number. */
export function primarySeries(
  device: Device,
  limits: readonly Limit[],
  alert: Alert | undefined,
  rule: Rule | undefined,
): Series | undefined {
  if (alert && rule) {
    for (const metric of metricsIn(rule.when)) {
      const series = device.series.get(metric);
      if (series?.isNumeric) return series;
    }
  }
  const watched = new Map<string, number>();
  for (const { metric } of limits) watched.set(metric, (watched.get(metric) ?? 0) + 1);
  let best: Series | undefined;
  for (const series of device.series.values()) {
    const isBetter =
      !best ||
      Number(series.isNumeric) > Number(best.isNumeric) ||
      (series.isNumeric && (watched.get(series.metric) ?? 0) > (watched.get(best.metric) ?? 0));
    if (isBetter) best = series;
  }
  return best;
}
