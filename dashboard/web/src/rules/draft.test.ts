import { expect, test } from "vitest";
import { columnOf, isEditable, pointer, readForm, sourceOf, textOf } from "./draft";

test("a form becomes a rule with defaults where nothing was written", () => {
  const form = new FormData();
  for (const [name, value] of [
    ["name", " hot "],
    ["devices", ""],
    ["when", "t > 80"],
    ["clear", " "],
    ["on_delay", ""],
    ["severity", "major"],
    ["latch", "on"],
    ["inhibited_by", "gateway-down, , site down"],
  ] as const)
    form.set(name, value);
  expect(readForm(form)).toEqual({
    name: "hot",
    devices: "*",
    tags: {},
    group_by: "",
    when: "t > 80",
    clear: null,
    on_delay: "0s",
    off_delay: "0s",
    latch: true,
    re_alarm: "0s",
    inhibited_by: ["gateway-down", "site down"],
    actions: [],
    severity: "major",
    message: "",
    enabled: false,
  });
});

test("a rule goes back without what the server added", () => {
  const text = textOf({
    name: "hot",
    devices: "*",
    when: "t > 80",
    clear: null,
    on_delay: "0s",
    off_delay: "0s",
    severity: "major",
    message: "",
    enabled: true,
    source: "api",
    version: 3,
    updated_by: "local",
    updated_at: "2026-01-01T00:00:00Z",
  });
  expect(Object.keys(text)).not.toContain("source");
  expect(text.when).toBe("t > 80");
});

test("a rule from a file is changed in its file", () => {
  const rule = { ...textOf({ name: "hot", source: "file:plant.toml" } as never), source: "file:plant.toml" };
  expect(isEditable(rule)).toBe(false);
  expect(sourceOf(rule)).toBe("plant.toml");
});

test("a pointer marks the column in its line", () => {
  expect(pointer("t > 80 and agv(t) > 1", 12)).toEqual({ line: "t > 80 and agv(t) > 1", mark: "           ^" });
  expect(pointer("t > 80\nand agv(t)", 12)).toEqual({ line: "and agv(t)", mark: "    ^" });
});

test("the column of an error stands in its field or in its words", () => {
  expect(columnOf({ field: "when", path: [], message: "no", column: 3 })).toBe(3);
  expect(columnOf({ field: "when", path: [], message: "unknown function 'agv' at column 12", column: null })).toBe(12);
  expect(columnOf({ field: "name", path: [], message: "taken", column: null })).toBeNull();
});
