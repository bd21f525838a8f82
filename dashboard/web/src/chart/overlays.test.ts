import { expect, test } from "vitest";
import type { Limit } from "../reading/limits";
import { valueRange } from "./overlays";

const limit = (value: number): Limit => ({
  metric: "t",
  over: null,
  operator: ">",
  value,
  rule: "r",
  severity: "major",
});

test("the y range takes in a limit that is near, not one far away", () => {
  const [, near] = valueRange(60, 70, [limit(80)]);
  expect(near).toBeGreaterThan(80);
  const [, far] = valueRange(60, 70, [limit(800)]);
  expect(far).toBe(71);
});

test("a constant gets some room", () => {
  const [low, high] = valueRange(50, 50, []);
  expect(high - low).toBeGreaterThan(0);
  expect((low + high) / 2).toBeCloseTo(50);
});

test("no data, a plain range", () => expect(valueRange(null, null, [limit(80)])).toEqual([0, 1]));
