import { describe, expect, test } from "vitest";
import type { Rule } from "../wire/contract";
import { parseExpression } from "./expression";
import { limitsFor, limitsIn, metricsIn, placeOn, scaleFor } from "./limits";

const read = (when: string) =>
  limitsIn(when).map(({ metric, over, operator, value }) => [over ? `${over} of ${metric}` : metric, operator, value]);

describe("thresholds in a condition", () => {
  test.each([
    ["temp_c > 80", [["temp_c", ">", 80]]],
    ["80 < temp_c", [["temp_c", ">", 80]]],
    [
      "temp_c > 80 and avg(temp_c, '5m') > 70",
      [
        ["temp_c", ">", 80],
        ["avg 5m of temp_c", ">", 70],
      ],
    ],
    [
      "-25 <= temp_c <= -15",
      [
        ["temp_c", ">=", -25],
        ["temp_c", "<=", -15],
      ],
    ],
    [
      "not (level < 5 or level > 95)",
      [
        ["level", ">=", 5],
        ["level", "<=", 95],
      ],
    ],
    ["motor.temp_c >= 60 + 2 * 5", [["motor.temp_c", ">=", 70]]],
    ['max(pressure, "1m") > 1.2e1', [["max 1m of pressure", ">", 12]]],
    ["rate(ppm, '1m') > 3", []],
    ["age(temp_c) > 30", []],
    ["temp_c > setpoint", []],
    ["1 < 2", []],
    ["door_open", []],
    ["temp_c >", []],
    ["temp_c > 80 )", []],
    ["temp_c # 80", []],
    ["", []],
  ])("%s", (when, expected) => expect(read(when)).toEqual(expected));
});

test("metrics are what a condition reads, in windows and out of them", () => {
  expect([...metricsIn("temp_c > 80 and (rate(ppm, '1m') > 3 or not door_open == true)")]).toEqual([
    "temp_c",
    "ppm",
    "door_open",
  ]);
});

test("comparison binds tighter than not, and tighter than and, and that tighter than or", () => {
  const tree = parseExpression("not a > 1 and b > 2 or c > 3");
  expect(tree).toMatchObject({
    kind: "logical",
    operator: "or",
    operands: [{ operator: "and", operands: [{ kind: "not" }, {}] }, {}],
  });
});

test("a device has the limits of the enabled rules that match it, the worst first", () => {
  const rule = (name: string, rest: Partial<Rule>): Rule => ({
    name,
    devices: "boiler-*",
    when: "temp_c > 72",
    clear: null,
    on_delay: "0s",
    off_delay: "0s",
    severity: "warning",
    message: "",
    enabled: true,
    source: "api",
    ...rest,
  });
  const rules = [
    rule("warm", {}),
    rule("hot", { when: "temp_c > 80", severity: "critical" }),
    rule("off", { enabled: false }),
    rule("pumps", { devices: "pump-*" }),
  ];
  expect(limitsFor("boiler-7", rules).map(({ rule: name }) => name)).toEqual(["hot", "warm"]);
});

describe("the stretch of a limits bar", () => {
  const bar = (when: string) => scaleFor(limitsIn(when).map((limit) => ({ ...limit, rule: "r", severity: "major" })));

  test("reaches from zero to beyond an upper limit", () => expect(bar("t > 80")).toEqual({ low: 0, high: 100 }));
  test("leaves room outside of two limits", () => expect(bar("t > 20 or t < 0")).toEqual({ low: -5, high: 25 }));
  test("works below zero", () => expect(bar("t > -15")).toEqual({ low: -30, high: -11.25 }));
  test("is not there without a limit", () => expect(bar("door_open")).toBeNull());
  test("keeps a value beyond it at its end", () => expect(placeOn({ low: 0, high: 100 }, 130)).toBe(1));
});

test("a limit of the device's profile, or a number that its tag says, is a threshold", () => {
  const own = { tags: { limit_c: "85", site: "north" }, limits: { temp_max_c: 80 } };
  const value = (when: string) => limitsIn(when, own).map(({ operator, value }) => [operator, value]);
  expect(value("t > limit('temp_max_c') + 5")).toEqual([[">", 85]]);
  expect(value("tag_number('limit_c') <= avg(t, '5m')")).toEqual([[">=", 85]]);
  expect(value("t > limit('other') or t > tag_number('site') or t > tag_number('none')")).toEqual([]);
});
