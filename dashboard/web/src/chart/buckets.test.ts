import { expect, test } from "vitest";
import { align, Buckets, gapsIn } from "./buckets";

const frame = { at: 1_000, received_at: 900 };
const iso = (ms: number) => new Date(ms).toISOString();

test("history and live readings meet in one bucket", () => {
  const buckets = new Buckets(10_000);
  buckets.load({
    at: iso(30_500),
    metric: "t",
    unit: null,
    time: [iso(20_000), iso(30_000)],
    min: [1, null],
    max: [3, null],
    avg: [2, null],
    count: [3, 0],
  });
  buckets.add(29_999, 6, 5, 7, 1);
  expect(buckets.slots()).toEqual([2]);
  expect(buckets.at(2)).toMatchObject({ min: 1, max: 7, avg: 3, count: 4 });
});

test("a row of several readings weighs as their mean, whichever came last", () => {
  const buckets = new Buckets(1_000);
  buckets.take(["boiler-1", "temp_c", 500, 95, 21.5, 95, 2, 58.25], frame);
  buckets.take(["boiler-1", "temp_c", 900, 60, 60, 60, 1], frame);
  buckets.take(["boiler-1", "temp_c", 950, "off", null, null, 1], frame);
  expect(buckets.at(0)?.avg).toBeCloseTo((21.5 + 95 + 60) / 3);
});

//  frames     ├─ 21.5 ─┤├─ 95 ──── 40 ─┤├─ 60 ─┤
//  history          read at: ──^
test("a reading that history has counts once, whenever the stream tells it", () => {
  const buckets = new Buckets(10_000);
  const told = (time: number, value: number, received_at: number, at: number) =>
    buckets.take(["boiler-1", "temp_c", time, value, value, value, 1], { received_at, at });
  buckets.hold();
  told(1_050, 21.5, 1_050, 1_100);
  told(1_250, 40, 1_150, 1_300);
  expect(buckets.size).toBe(0);
  const answer = { metric: "temp_c", unit: null, time: [iso(0)], min: [21.5], max: [95], avg: [58.25], count: [2] };
  buckets.load({ at: iso(1_200), ...answer });
  told(1_150, 95, 1_150, 1_300);
  told(1_350, 60, 1_350, 1_400);
  expect(buckets.at(0)).toMatchObject({ min: 21.5, max: 95, count: 4, avg: (21.5 + 95 + 40 + 60) / 4 });
});

test("without history what was held back is shown", () => {
  const buckets = new Buckets(10_000);
  buckets.hold();
  buckets.take(["boiler-1", "temp_c", 1_050, 21.5, 21.5, 21.5, 1], frame);
  buckets.release();
  expect(buckets.at(0)).toMatchObject({ avg: 21.5, count: 1 });
});

test("a spike of one reading stays visible however wide the bucket", () => {
  const buckets = new Buckets(60_000);
  for (let i = 0; i < 60; i++) buckets.add(i * 1_000, i === 30 ? 99 : 1, i === 30 ? 99 : 1, i === 30 ? 99 : 1, 1);
  expect(buckets.at(0)).toMatchObject({ min: 1, max: 99 });
});

//  slots  0 1 2 3 . . . . 8 9      the usual distance is 1: four or more is a gap
//  line   ───────         ───
test("a gap is more than three times the usual distance", () => {
  expect(gapsIn([0, 1, 2, 3, 8, 9])).toEqual([4]);
  expect(gapsIn([0, 1, 2, 5, 6])).toEqual([]);
  expect(gapsIn([0, 5, 10, 15, 40])).toEqual([16]);
  expect(gapsIn([3])).toEqual([]);
});

test("a slow metric beside a fast one keeps its line: undefined is passed, null breaks", () => {
  const [fast, slow] = [new Buckets(1_000), new Buckets(1_000)];
  for (let s = 0; s <= 8; s++) fast.add(s * 1_000, s, s, s, 1);
  for (const s of [0, 4, 8]) slow.add(s * 1_000, s, s, s, 1);
  const [time, fastAvg, , , slowAvg] = align([fast, slow]);
  expect(time).toEqual([500, 1_500, 2_500, 3_500, 4_500, 5_500, 6_500, 7_500, 8_500]);
  expect(fastAvg).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(slowAvg).toEqual([0, undefined, undefined, undefined, 4, undefined, undefined, undefined, 8]);
});

test("the value under the cursor is the nearest one, but not one across a gap", () => {
  const buckets = new Buckets(1_000);
  for (const s of [0, 1, 2, 20]) buckets.add(s * 1_000, s, s, s, 1);
  expect(buckets.nearest(1_700)?.avg).toBe(1);
  expect(buckets.nearest(10_000)).toBeUndefined();
});

test("what the live window has left behind is forgotten", () => {
  const buckets = new Buckets(1_000);
  for (const s of [0, 1, 2]) buckets.add(s * 1_000, s, s, s, 1);
  buckets.forgetBefore(1_500);
  expect(buckets.slots()).toEqual([1, 2]);
});
