import { expect, test } from "vitest";
import { clockLabel, tickLabels } from "./axis";

test.each([
  [
    [35, 37.5, 40],
    ["35.0", "37.5", "40.0"],
  ],
  [
    [60, 80, 100],
    ["60", "80", "100"],
  ],
  [
    [0.1, 0.15, 0.2],
    ["0.10", "0.15", "0.20"],
  ],
  [
    [-5, 0, 5],
    ["\u22125", "0", "5"],
  ],
  [[], []],
])("ticks %j read %j", (ticks, labels) => expect(tickLabels(ticks)).toEqual(labels));

test("times have seconds where steps are short, dates at midnight where they are long", () => {
  const at = new Date(2026, 10, 24, 3, 4, 5).getTime();
  expect(clockLabel(at, 10_000)).toBe("03:04:05");
  expect(clockLabel(at, 60_000)).toBe("03:04");
  expect(clockLabel(new Date(2026, 10, 24).getTime(), 3_600_000)).toBe("24 Nov");
  expect(clockLabel(new Date(2026, 10, 24).getTime(), 60_000)).toBe("00:00");
});
