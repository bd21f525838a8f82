import type uPlot from "uplot";
import { expect, test } from "vitest";
import { align, Buckets } from "./buckets";
import { spreadsIn, withoutSpreads } from "./spreads";

/** 21.5 and 95 within one second, between readings that are alone. */
function spiked() {
  const buckets = new Buckets(1_000);
  buckets.add(500, 21, 21, 21, 1);
  buckets.add(1_200, 21.5, 21.5, 21.5, 1);
  buckets.add(1_400, 95, 95, 95, 1);
  buckets.add(2_500, 22, 22, 22, 1);
  return align([buckets]);
}

test("two readings at one point of time are a spread from the one to the other", () => {
  const [, , low, high] = spiked();
  expect(spreadsIn(low ?? [], high ?? [])).toEqual([1]);
  expect([low?.[1], high?.[1]]).toEqual([21.5, 95]);
});

test("no dot stands where no reading was", () => {
  const plot = { data: spiked() } as unknown as uPlot;
  expect(withoutSpreads(plot, 1, true)).toEqual([0, 2]);
  expect(withoutSpreads(plot, 1, false)).toBeNull();
});
