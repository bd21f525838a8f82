import { expect, test } from "vitest";
import { tilesInWindow } from "./window";

const grid = { top: 100, columns: 4, row: 100, count: 42 };

//  window 0 ─────────── 300          rows begin at 100, 200, 300, …: two rows show, with a margin of 100 a third
test("rows that touch the window are in it, whole", () => {
  expect(tilesInWindow(grid, 300, 0)).toEqual({ first: 0, end: 8 });
  expect(tilesInWindow(grid, 300, 100)).toEqual({ first: 0, end: 12 });
});

test("scrolled down, the rows above are out", () => {
  expect(tilesInWindow({ ...grid, top: -250 }, 300, 0)).toEqual({ first: 8, end: 24 });
});

test("the last row may be short", () => {
  expect(tilesInWindow({ ...grid, top: -900 }, 300, 0)).toEqual({ first: 36, end: 42 });
});

test("a grid far above or below the window shows nothing", () => {
  for (const top of [-5_000, 5_000]) {
    const { first, end } = tilesInWindow({ ...grid, top }, 300, 100);
    expect(end).toBe(first);
  }
});
