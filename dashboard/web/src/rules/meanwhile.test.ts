import { expect, test } from "vitest";
import { EMPTY } from "./draft";
import { changedBetween, contested, merged } from "./meanwhile";

const BEGUN = { ...EMPTY, name: "hot", when: "t > 80", clear: "t < 75", tags: { a: "1", b: "2" } };

test("what others changed comes in, what was typed stays", () => {
  const typed = { ...BEGUN, when: "t > 85" };
  const theirs = { ...BEGUN, severity: "critical" as const, on_delay: "30s" };
  expect(merged(BEGUN, typed, theirs)).toEqual({ ...BEGUN, when: "t > 85", severity: "critical", on_delay: "30s" });
  expect(contested(BEGUN, typed, theirs)).toEqual([]);
});

test("of what both changed, what was typed counts, and it is named", () => {
  const [typed, theirs] = [
    { ...BEGUN, when: "t > 85", clear: null },
    { ...BEGUN, when: "t > 90", clear: null },
  ];
  expect(merged(BEGUN, typed, theirs)).toEqual(typed);
  expect(contested(BEGUN, typed, theirs)).toEqual(["when"]);
});

test("tags in another order are no change", () => {
  expect(changedBetween(BEGUN, { ...BEGUN, tags: { b: "2", a: "1" } })).toEqual({});
  expect(changedBetween(BEGUN, { ...BEGUN, tags: { a: "1" } })).toEqual({ tags: [{ a: "1", b: "2" }, { a: "1" }] });
});
