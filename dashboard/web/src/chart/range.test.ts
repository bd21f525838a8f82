import { expect, test } from "vitest";
import { Range } from "./range";

const NOW = 1_800_000_000_000;

test("with a young plant the shortest range grows from a minute until it is full", () => {
  const range = new Range();
  expect(range.span(NOW)).toEqual({ from: NOW - 300_000, to: NOW });
  range.found(NOW - 5_000, null, NOW);
  expect(range.span(NOW).from).toBe(NOW - 60_000);
  expect(range.span(NOW + 120_000).from).toBe(NOW - 5_000);
  expect(range.span(NOW + 900_000).from).toBe(NOW + 600_000);
});

test("all charts of a view begin with the first reading of any", () => {
  const range = new Range();
  range.found(NOW - 90_000, NOW - 200_000, NOW);
  range.found(NOW - 150_000, NOW - 200_000, NOW);
  range.found(undefined, NOW - 200_000, NOW);
  expect(range.span(NOW).from).toBe(NOW - 150_000);
});

test("where older readings may be, a gap before the first one is shown", () => {
  const range = new Range();
  range.found(NOW - 90_000, NOW - 86_400_000, NOW);
  expect(range.span(NOW).from).toBe(NOW - 300_000);
});
