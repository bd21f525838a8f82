import { describe, expect, test } from "vitest";
import {
  decimalsFor,
  decimalsOf,
  formatBytes,
  formatNumber,
  formatRate,
  formatShare,
  formatSwitch,
  formatValue,
} from "./number";

test.each([
  [0, "0"],
  [95.2, "95.2"],
  [4.2071, "4.21"],
  [0.012345, "0.0123"],
  [1013.25, "1,013.3"],
  [123456.7, "123,457"],
  [-13.4, "\u221213.4"],
  [1204, "1,204"],
])("%d reads %s", (value, text) => expect(formatNumber(value)).toBe(text));

test("a value that rounds to zero has no sign", () => {
  expect(formatNumber(-0.04, 1)).toBe("0.0");
  expect(formatNumber(-0.06, 1)).toBe("\u22120.1");
});

test("decimals grow as magnitudes shrink, and stop", () => {
  const magnitudes = [100_000, 1_000, 10, 1, 0.1, 0.01, 0.000001];
  expect(magnitudes.map(decimalsFor)).toEqual([0, 1, 1, 2, 3, 4, 5]);
});

test.each([
  [true, "yes"],
  [false, "no"],
  ["running", "running"],
  [null, "–"],
])("%o reads %s", (value, text) => expect(formatValue(value)).toBe(text));

test.each([
  [1, "on"],
  [0, "off"],
  [0.4, "on 40 %"],
  [0.999, "on 99 %"],
])("a switch on for %d of the time reads %s", (share, text) => expect(formatSwitch(share, ["off", "on"])).toBe(text));

describe("the share of readings in time", () => {
  test.each([
    [999_999, 1_000_000, "99.999 %"],
    [1_000_000, 1_000_000, "100 %"],
    [9_999, 10_000, "99.99 %"],
    [99_999_999, 100_000_000, "99.999 %"],
    [0, 0, "–"],
    [1, 3, "33.3 %"],
  ])("%d of %d is %s", (part, whole, text) => expect(formatShare(part, whole)).toBe(text));
});

test("rates below ten keep a decimal", () =>
  expect([0, 0.25, 9.96, 1204.4].map(formatRate)).toEqual(["0", "0.3", "10.0", "1,204"]));

test("bytes have binary units", () =>
  expect([512, 1536, 12_900_000].map(formatBytes)).toEqual(["512 B", "1.5 KiB", "12.3 MiB"]));

test.each([
  [1479, 0],
  [0.41, 2],
  [-3.3, 1],
  [0.1 + 0.2, 1],
  [Math.PI, 5],
])("%d was written with %d decimals", (value, decimals) => expect(decimalsOf(value)).toBe(decimals));
