import { expect, test } from "vitest";
import { isAbout, readTags, selects, writeTags } from "./tags";

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

test("an alert is about its device, and about those of its group that its rule is for", () => {
  const own = { subject: "b1", device: "b1" };
  expect(isAbout(own, "b1", {}, undefined)).toBe(true);
  expect(isAbout(own, "b2", {}, { devices: "*" })).toBe(false);

  const north = { subject: "group:north", device: null };
  const rule = { devices: "b*", group_by: "site" };
  expect(isAbout(north, "b1", { site: "north" }, rule)).toBe(true);
  expect(isAbout(north, "b1", { site: "south" }, rule)).toBe(false);
  expect(isAbout(north, "b1", {}, rule)).toBe(false);
  expect(isAbout(north, "a1", { site: "north" }, rule)).toBe(false);
  expect(isAbout(north, "b1", { site: "north" }, undefined)).toBe(false);

  const steam = { subject: "group:steam", device: null };
  const byMedium = { devices: "b*", group_by: "profile.medium" };
  expect(isAbout(steam, "b1", {}, byMedium, { medium: "steam" })).toBe(true);
  expect(isAbout(steam, "b1", { medium: "steam" }, byMedium, { medium: "water" })).toBe(false);
  expect(isAbout(steam, "b1", { medium: "steam" }, byMedium)).toBe(false);
  const rated = { subject: "group:120", device: null };
  expect(isAbout(rated, "b1", {}, { devices: "*", group_by: "profile.rated_kw" }, { rated_kw: 120 })).toBe(true);

  const all = { subject: "group:all", device: null };
  expect(isAbout(all, "b1", {}, { devices: "b*", group_by: "" })).toBe(true);
  expect(isAbout(north, "b1", { site: "north" }, { devices: "b*" })).toBe(false);
  expect(isAbout({ subject: "channel:ops", device: null }, "b1", {}, { devices: "*" })).toBe(false);
});
