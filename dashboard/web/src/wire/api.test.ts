import { expect, test } from "vitest";
import { refusal } from "./api";
import { millis } from "./contract";

test("a 422 names fields, words and columns", () => {
  const error = refusal(422, {
    detail: [{ loc: ["body", "when"], msg: "unknown function 'agv' at column 12; did you mean avg?", column: 12 }],
  });
  expect(error.fields).toEqual([
    { field: "when", path: ["when"], message: "unknown function 'agv' at column 12; did you mean avg?", column: 12 },
  ]);
  expect(error.message).toBe("when: unknown function 'agv' at column 12; did you mean avg?");
});

test("another refusal is a sentence", () => {
  expect(refusal(404, { detail: "alert 'x' is not known" }).message).toBe("alert 'x' is not known");
  expect(refusal(502, null).message).toBe("The server answered 502.");
});

test("times are RFC 3339, seconds or milliseconds", () => {
  expect(millis("2026-01-02T03:04:05.678Z")).toBe(1767323045678);
  expect(millis(1767323045.5)).toBe(1767323045500);
  expect(millis(1767323045678)).toBe(1767323045678);
  expect(millis(null)).toBeNull();
  expect(millis("soon")).toBeNull();
});
