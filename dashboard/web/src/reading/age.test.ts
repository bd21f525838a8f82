import { expect, test } from "vitest";
import { formatAge, formatDuration, formatSkew, formatTime } from "./age";

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

test.each([
  [-50, "now"],
  [999, "now"],
  [7 * S, "7 s"],
  [99 * S, "99 s"],
  [100 * S, "1 min"],
  [99 * MIN, "99 min"],
  [100 * MIN, "1 h"],
  [50 * H, "2 d"],
])("%d ms ago reads %s", (age, text) => expect(formatAge(age)).toBe(text));

test.each([
  [0, "right to 0.0 s"],
  [-0.21, "right to 0.3 s"],
  [9.9, "right to 9.9 s"],
  [-31, "31 s behind"],
  [3_600, "60 min ahead"],
  [-1.7e9, "19675 d behind"],
])("a clock %d s ahead reads %s", (ahead, text) => expect(formatSkew(ahead)).toBe(text));

test.each([
  [0, "0 s"],
  [12 * S, "12 s"],
  [4 * MIN + 5 * S, "4 min 05 s"],
  [3 * H + 20 * MIN, "3 h 20 min"],
  [73 * H, "3 d 1 h"],
])("%d ms long reads %s", (duration, text) => expect(formatDuration(duration)).toBe(text));

test("a time of today has seconds, of another day its date, of another year that too", () => {
  const now = new Date(2026, 10, 24, 3, 0, 0).getTime();
  expect(formatTime(new Date(2026, 10, 24, 2, 7, 5).getTime(), now)).toBe("02:07:05");
  expect(formatTime(new Date(2026, 10, 23, 22, 51, 21).getTime(), now)).toBe("23 Nov 22:51");
  expect(formatTime(new Date(2025, 0, 2, 9, 5, 0).getTime(), now)).toBe("2 Jan 2025 09:05");
});
