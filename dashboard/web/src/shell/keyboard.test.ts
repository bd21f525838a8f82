import { expect, test } from "vitest";
import { Keyboard } from "./keyboard";

test("single keys", () => {
  const keyboard = new Keyboard();
  expect(["/", "j", "k", "a", "s", "?", "x"].map((key) => keyboard.press(key, 0)?.do ?? null)).toEqual([
    "search",
    "next",
    "previous",
    "acknowledge",
    "shelve",
    "help",
    null,
  ]);
});

test.each([
  ["o", "/"],
  ["a", "/alerts"],
  ["r", "/rules"],
  ["z", "/zones"],
  ["t", "/topics"],
  ["c", "/connect"],
])("g %s goes to %s", (key, path) => {
  const keyboard = new Keyboard();
  expect(keyboard.press("g", 0)).toBeNull();
  expect(keyboard.press(key, 200)).toEqual({ do: "go", path });
});

test("g waits a moment, not for ever, and for one key", () => {
  const keyboard = new Keyboard();
  keyboard.press("g", 0);
  expect(keyboard.press("a", 5_000)).toEqual({ do: "acknowledge" });
  keyboard.press("g", 6_000);
  expect(keyboard.press("j", 6_100)).toEqual({ do: "next" });
  expect(keyboard.press("a", 6_200)).toEqual({ do: "acknowledge" });
});
