import { expect, test } from "vitest";
import { readTags, selects, writeTags } from "./tags";

test("tags are written and read as name=value with commas between", () => {
  const tags = { site: "north", line: "2" };
  expect(writeTags(tags)).toBe("site=north, line=2");
  expect(readTags(" site = north ,, line=2 ")).toEqual(tags);
  expect(readTags("site")).toEqual({ site: "" });
  expect(readTags("")).toEqual({});
});

test("a rule is for the devices with its glob and all of its tags", () => {
  const rule = { devices: "b*", tags: { site: "north" } };
  expect(selects(rule, "b1", { site: "north", line: "2" })).toBe(true);
  expect(selects(rule, "b1", { site: "south" })).toBe(false);
  expect(selects(rule, "a1", { site: "north" })).toBe(false);
  expect(selects({ devices: "*" }, "a1", {})).toBe(true);
});
