import { expect, test } from "vitest";
import { metricLabel, switchWords, unitOf } from "./unit";

test.each([
  ["temp_c", "°C", "temp"],
  ["flow_l_min", "l/min", "flow"],
  ["vibration_mm_s", "mm/s", "vibration"],
  ["pm25_ug_m3", "µg/m³", "pm25"],
  ["motor.current_a", "A", "motor · current"],
  ["battery_pct", "%", "battery"],
  ["ch4_pct_lel", "% LEL", "ch4"],
  ["rpm", "rpm", "rpm"],
  ["c", "", "c"],
  ["burner_on", "", "burner"],
  ["door_open", "", "door"],
  ["value", "", "value"],
  ["_c", "°C", "c"],
])("%s is in %o and called %s", (metric, unit, label) => {
  expect(unitOf(metric)).toBe(unit);
  expect(metricLabel(metric)).toBe(label);
});

test("the unit the server tells wins", () => expect(unitOf("temp_c", "K")).toBe("K"));

test("a switch is on or off, another truth is so or not", () => {
  expect(switchWords("burner_on")).toEqual(["off", "on"]);
  expect(switchWords("door_open")).toEqual(["closed", "open"]);
  expect(switchWords("fault")).toEqual(["no", "yes"]);
});
