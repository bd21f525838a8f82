import { expect, test } from "vitest";
import type { Explanation } from "../wire/contract";
import { asksOf, costOf, formatSpan, groupingOf, listed, occasionsOf, reachOf, restlessOf } from "./explanation";

const HOT: Explanation = {
  rule: "hot",
  woken_by: ["temp_c", "pressure_bar"],
  by_any_reading: false,
  at_silences: [],
  at_hours: false,
  windows: [],
  counts: [],
  numbers: [],
  group_by: null,
  spares_readings: true,
  parts: [{ condition: "temp_c > 80", bounded: true }],
  judged_with: [],
  nodes: 7,
  judged_us: 0.7,
};

test.each([
  [10, "10 s"],
  [90, "90 s"],
  [300, "5 min"],
  [5_400, "90 min"],
  [3_600, "1 h"],
  [604_800, "7 d"],
  [0.5, "0.5 s"],
])("%s seconds as a span", (seconds, words) => {
  expect(formatSpan(seconds)).toBe(words);
});

test("what wakes a rule", () => {
  expect(occasionsOf(HOT)).toEqual(["each reading of temp_c and pressure_bar"]);
  const silent = {
    ...HOT,
    by_any_reading: true,
    at_hours: true,
    at_silences: [{ metric: "temp_c", age_s: 60, own: null }],
  };
  expect(occasionsOf(silent)).toEqual([
    "each reading of the device",
    "when temp_c is 1 min old",
    "when the hour turns",
  ]);
});

test("what a rule across groups asks of each device", () => {
  expect(asksOf(HOT)).toEqual([]);
  const group = { ...HOT, group_by: "site", counts: ["temp_c > 80"], numbers: ["avg(temp_c, '5m')"] };
  expect(asksOf(group)).toEqual([
    ["Counts devices with", "temp_c > 80"],
    ["Asks each device for", "avg(temp_c, '5m')"],
  ]);
  expect(groupingOf(group)).toBe("by site");
  expect(groupingOf({ ...group, group_by: "all" })).toBe("all of them in one group");
});

test("a session is ended by its gap, which is not its length", () => {
  const window = { metric: "temp_c", size_s: 30, functions: ["avg"], shared_with: [], session: false };
  expect(reachOf(window)).toBe("over 30 s");
  expect(reachOf({ ...window, session: true })).toBe("ended by 30 s without a reading");
});

test("what a reading costs, and for whose sake each is judged", () => {
  expect(costOf(HOT)).toBe("one comparison while the value is far from the limit, else about 0.7 µs (7 parts)");
  expect(restlessOf(HOT)).toEqual([]);
  const restless = {
    ...HOT,
    spares_readings: false,
    parts: [...HOT.parts, { condition: "sum(p, '1m') > 3", bounded: false }],
  };
  expect(costOf(restless)).toMatch(/^about .* each time$/);
  expect(restlessOf(restless)).toEqual(["sum(p, '1m') > 3"]);
});

test("a list says how many it leaves out", () => {
  expect(listed([])).toBe("");
  expect(listed(["a", "b", "c"])).toBe("a, b and c");
  expect(listed(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
});
