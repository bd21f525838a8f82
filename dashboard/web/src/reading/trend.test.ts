import { expect, test } from "vitest";
import { SLOT_MS, SLOTS, Trail } from "./trail";
import { trendOf } from "./trend";

function trail(value: (i: number) => number, slots = 12): Trail {
  const made = new Trail();
  for (let i = 0; i < slots; i++) made.add(1e12 + i * SLOT_MS, value(i));
  return made;
}

test.each([
  ["flat", () => 60, "steady"],
  ["noise without direction", (i: number) => 60 + (i % 2), "steady"],
  ["a slow climb", (i: number) => 60 + i * 0.2, "rising"],
  ["a steep climb", (i: number) => 60 + i * 2, "up"],
  ["a slow fall", (i: number) => 60 - i * 0.2, "falling"],
  ["a steep fall", (i: number) => 60 - i * 2, "down"],
])("%s", (_name, value, expected) => expect(trendOf(trail(value))).toBe(expected));

test("two slots tell nothing", () => expect(trendOf(trail((i) => i, 2))).toBeNull());

test("what matters is the distance between the limits", () => {
  const climb = trail((i) => 1000 + i);
  expect(trendOf(climb)).toBe("rising");
  expect(trendOf(climb, 20)).toBe("up");
});

test("a trail keeps the extremes of a slot and forgets what is older than five minutes", () => {
  const made = new Trail();
  made.add(1e12, 5);
  made.add(1e12 + 1, 9, 1, 9);
  expect(made.range()).toEqual([1, 9]);
  made.add(1e12 + SLOTS * SLOT_MS, 3);
  expect(made.range()).toEqual([3, 3]);
  made.add(1e12, 100); // too old to count
  expect(made.range()).toEqual([3, 3]);
});
