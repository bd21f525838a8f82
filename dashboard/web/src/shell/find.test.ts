import { expect, test } from "vitest";
import { type Found, find } from "./find";

const things: Found[] = ["pump-10", "pump-2", "old-pump-1", "boiler-1"].map((label) => ({
  kind: "device",
  label,
  path: `/devices/${label}`,
}));
const labels = (text: string, limit?: number) => find(text, things, limit).map(({ label }) => label);

test("names that begin with the text come before names that contain it", () => {
  expect(labels("PUMP")).toEqual(["pump-2", "pump-10", "old-pump-1"]);
});

test("no more than asked for, and nothing for nothing", () => {
  expect(labels("pump", 1)).toEqual(["pump-2"]);
  expect(labels("  ")).toEqual([]);
});
