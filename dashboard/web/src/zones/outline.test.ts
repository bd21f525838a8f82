import { expect, test } from "vitest";
import type { Position, ZoneFeature } from "../wire/contract";
import { outlineOf, Plan } from "./outline";

const feature = (geometry: ZoneFeature["geometry"], radius_m?: number): ZoneFeature => ({
  type: "Feature",
  properties: radius_m === undefined ? null : { radius_m },
  geometry,
});
const box = (west: number, south: number, east: number, north: number): Position[] => [
  [west, south],
  [east, south],
  [east, north],
  [west, north],
  [west, south],
];

test("north is up, and all of it is in the drawing", () => {
  const outline = outlineOf(feature({ type: "Polygon", coordinates: [box(0, 0, 2, 1)] }));
  const plan = new Plan([outline], [], 220, 120, 10);
  expect(plan.at([0, 0]).map(Math.round)).toEqual([10, 110]);
  expect(plan.at([2, 1]).map(Math.round)).toEqual([210, 10]);
  expect(plan.path(outline)).toMatch(/^M10 110L210 110L210 10L10 10L10 110Z$/);
});

test("a metre is as long to the east as to the north", () => {
  const circle = outlineOf(feature({ type: "Point", coordinates: [16, 60] }, 1_000));
  const plan = new Plan([circle], [], 200, 200, 0);
  const [west] = plan.at([16, 60]);
  expect(west).toBeCloseTo(100, 0);
  expect(plan.path(circle)).toContain("a100 100 0 1 0 200 0");
  const { metres, points } = plan.scaleBar();
  expect(metres).toBe(500);
  expect(points).toBeCloseTo(50, 0);
});

test("a ring over the antimeridian is in one piece, as are its two halves", () => {
  const whole = outlineOf(feature({ type: "Polygon", coordinates: [box(179, 0, -179, 1)] }));
  const halves = outlineOf(
    feature({ type: "MultiPolygon", coordinates: [[box(179, 0, 180, 1)], [box(-180, 0, -179, 1)]] }),
  );
  for (const outline of [whole, halves]) {
    const plan = new Plan([outline], [[-179.5, 0.5]], 200, 100, 0);
    const xs = [...plan.path(outline).matchAll(/[ML]([\d.-]+) /g)].map(([, x]) => Number(x));
    expect(Math.min(...xs)).toBeCloseTo(0, 0);
    expect(Math.max(...xs)).toBeCloseTo(200, 0);
    expect(plan.at([-179.5, 0.5])[0]).toBeCloseTo(150, 0);
  }
});

test("a single place has a plan too", () => {
  const plan = new Plan([], [[16, 48]], 100, 100);
  expect(plan.at([16, 48]).every(Number.isFinite)).toBe(true);
});
