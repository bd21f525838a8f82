import { expect, test } from "vitest";
import { parseExpression, writeMetric } from "./expression";

test.each([
  ["temp_c", "temp_c"],
  ["motor.rpm", "motor.rpm"],
  ["Füllstand", "Füllstand"],
  ["a-b", "`a-b`"],
  ["flow m³/h", "`flow m³/h`"],
  ["2nd", "`2nd`"],
  ["a..b", "`a..b`"],
  ["and", "`and`"],
  ["true", "`true`"],
  ["a`b", "`a``b`"],
])("the metric %s is written %s and read as itself", (name, written) => {
  expect(writeMetric(name)).toBe(written);
  expect(parseExpression(`${written} > 3`)).toEqual({
    kind: "comparison",
    operands: [
      { kind: "metric", name },
      { kind: "number", value: 3 },
    ],
    operators: [">"],
  });
});

test("a quote inside its own kind of quotes is written twice", () => {
  expect(parseExpression("'it''s'")).toEqual({ kind: "text", value: "it's" });
});
