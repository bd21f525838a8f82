/** Endings of metric names and the unit they mean, longest first where one ends in another. */
const ENDINGS: readonly [string, string][] = [
  ["_percent", "%"],
  ["_m3_h", "m³/h"],
  ["_l_min", "l/min"],
  ["_mm_s", "mm/s"],
  ["_ug_m3", "µg/m³"],
  ["_km_h", "km/h"],
  ["_lpm", "l/min"],
  ["_m_s2", "m/s²"],
  ["_m_s", "m/s"],
  ["_kwh", "kWh"],
  ["_kpa", "kPa"],
  ["_hpa", "hPa"],
  ["_mpa", "MPa"],
  ["_bar", "bar"],
  ["_mbar", "mbar"],
  ["_ppm", "ppm"],
  ["_ppb", "ppb"],
  ["_lel", "% LEL"],
  ["_pct", "%"],
  ["_rpm", "rpm"],
  ["_deg", "°"],
  ["_lux", "lx"],
  ["_dbm", "dBm"],
  ["_kg", "kg"],
  ["_kw", "kW"],
  ["_mv", "mV"],
  ["_ma", "mA"],
  ["_hz", "Hz"],
  ["_db", "dB"],
  ["_mm", "mm"],
  ["_cm", "cm"],
  ["_km", "km"],
  ["_ms", "ms"],
  ["_pa", "Pa"],
  ["_c", "°C"],
  ["_f", "°F"],
  ["_k", "K"],
  ["_v", "V"],
  ["_a", "A"],
  ["_w", "W"],
  ["_m", "m"],
  ["_l", "l"],
  ["_s", "s"],
];

/** The unit the server told, else the one the metric's name ends in, else none. */
export function unitOf(metric: string, told?: string | null): string {
  if (told) return told;
  const name = metric.toLowerCase();
  return ENDINGS.find(([ending]) => name.endsWith(ending))?.[1] ?? "";
}

/** The metric's name as words: its unit ending is shown beside the value and left out here. */
export function metricLabel(metric: string): string {
  const name = metric.toLowerCase();
  const ending = ENDINGS.find(([known]) => name.endsWith(known))?.[0] ?? "";
  const stem = metric.slice(0, metric.length - ending.length) || metric;
  return stem.replaceAll("_", " ").replaceAll(".", " · ").trim() || metric;
}
