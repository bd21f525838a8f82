/** A grid of tiles of one size, in px: where its top stands in the window, and its measures. */
export interface Grid {
  top: number;
  columns: number;
  /** Height of a tile with the gap below it. */
  row: number;
  count: number;
}

/** The tiles, from `first` up to but not including `end`, whose rows touch the window or the `margin` around it. */
export function tilesInWindow(
  { top, columns, row, count }: Grid,
  height: number,
  margin: number,
): { first: number; end: number } {
  const firstRow = Math.max(0, Math.floor((-margin - top) / row));
  const endRow = Math.max(firstRow, Math.ceil((height + margin - top) / row));
  return { first: Math.min(count, firstRow * columns), end: Math.min(count, endRow * columns) };
}
