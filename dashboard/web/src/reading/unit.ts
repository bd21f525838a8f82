import type { SwitchWords } from "./number";

/** Endings of metric names and the unit they mean, longest first where one ends in another. */
const ENDINGS: readonly [string, string][] = [
  ["_percent", "%"],
  ["_on", ""], // of a switch: its words tell the rest
  ["_open", ""],
  ["_pct_lel", "% LEL"],
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

/** The ending of a metric's name that tells its unit: `_c` of `temp_c`, or the whole of a name such as `rpm`. */
function endingOf(metric: string): [ending: string, unit: string] | undefined {
  const name = metric.toLowerCase();
  return (
    ENDINGS.find(([ending]) => name.endsWith(ending)) ??
    ENDINGS.find(([ending]) => ending.length > 3 && name === ending.slice(1))
  );
}

/** The unit the server told, else the one the metric's name ends in, else none. */
export function unitOf(metric: string, told?: string | null): string {
  return told || (endingOf(metric)?.[1] ?? "");
}

/** The metric's name as words: its unit ending is shown beside the value and left out here. */
export function metricLabel(metric: string): string {
  const ending = endingOf(metric)?.[0] ?? "";
  const stem = metric.slice(0, Math.max(0, metric.length - ending.length)) || metric;
  return stem.replaceAll("_", " ").replaceAll(".", " · ").trim() || metric;
}

/** What the two states of a boolean metric are called: `burner_on` is on or off, `door_open` open or closed, `fault` is so or is not. */
export function switchWords(metric: string): SwitchWords {
  const name = metric.toLowerCase();
  if (name.endsWith("_on")) return ["off", "on"];
  return name.endsWith("_open") ? ["closed", "open"] : ["no", "yes"];
}
