import { expect, test } from "vitest";
import { changesOf, differenceOf } from "./difference";

test("a change is told in whole words", () => {
  expect(differenceOf("temp_c > 80 and p < 3", "temp_c > 85 and p < 3")).toEqual({
    same: ["temp_c > ", " and p < 3"],
    before: "80",
    after: "85",
  });
  expect(differenceOf("t > 1", "t > 1 and p > 2")).toEqual({ same: ["t > 1", ""], before: "", after: " and p > 2" });
  expect(differenceOf("", "t < 7")).toEqual({ same: ["", ""], before: "", after: "t < 7" });
  expect(differenceOf("a a", "a a a")).toEqual({ same: ["a a", ""], before: "", after: " a" });
});

test("what a version changed has the words and the order of the form", () => {
  const found = changesOf({
    latch: [false, true],
    when: ["t > 80", "t > 85"],
    clear: [null, "t < 75"],
    tags: [{}, { site: "north" }],
  });
  expect(found.map(({ word, difference }) => [word, difference.before, difference.after])).toEqual([
    ["with tags", "", "site=north"],
    ["rings when", "80", "85"],
    ["clears when", "", "t < 75"],
    ["latch", "off", "on"],
  ]);
});
