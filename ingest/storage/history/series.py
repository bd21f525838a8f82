"""Series: one metric of one device over a range, in buckets on a fixed grid."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINTS_LIMIT = 10_000

# Each divides a minute, an hour or a day, so that buckets hold whole minutes and whole hours
# as soon as they are that long, and rollups give the same figures as raw rows.
_WIDTHS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800),
    *(3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets [start + i × width, start + (i + 1) × width) for i in 0 … count - 1.

    In whole microseconds, as times are stored, and aligned to the epoch: the same range scrolled
    by a little has the same buckets.
    """

    start_us: int
    width_us: int
    count: int

    @classmethod
    def over(cls, start: float, end: float, points: int, finest_s: float = 0.0) -> "Grid":
        """The finest grid of at most about `points` buckets, none under `finest_s`, that covers
        [start, end).

        Raises ValueError.
        """
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise ValueError(f"range {start!r} to {end!r}; expected a start before its end")
        if not 1 <= points <= POINTS_LIMIT:
            raise ValueError(f"points {points!r}; expected 1 to {POINTS_LIMIT}")
        wanted_s = max((end - start) / points, finest_s)
        longest = _WIDTHS_S[-1]
        width_s = next(
            (width for width in _WIDTHS_S if width >= wanted_s),
            longest * math.ceil(wanted_s / longest),
        )
        width_us = round(width_s * 1e6)
        first = round(start * 1e6) // width_us
        last = -(-round(end * 1e6) // width_us)
        return cls(first * width_us, width_us, max(last - first, 1))

    @property
    def end_us(self) -> int:
        return self.start_us + self.count * self.width_us


@dataclass(frozen=True, slots=True)
class Series:
    """Buckets of a grid as arrays of its length: float64 `min`, `max` (NaN where the bucket is
    empty), `sum`, and int64 `count`.

    It holds the rows of journal positions up to `through`; what came later is the caller's to
    add with `with_rows`.
    """

    grid: Grid
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    sum: NDArray[np.float64]
    count: NDArray[np.int64]
    through: int

    @classmethod
    def empty(cls, grid: Grid, through: int) -> "Series":
        return cls(
            grid,
            np.full(grid.count, np.nan),
            np.full(grid.count, np.nan),
            np.zeros(grid.count),
            np.zeros(grid.count, np.int64),
            through,
        )

    @property
    def time(self) -> NDArray[np.float64]:
        """Starts of the buckets in seconds since the epoch."""
        grid = self.grid
        return (grid.start_us + np.arange(grid.count, dtype=np.int64) * grid.width_us) / 1e6

    @property
    def avg(self) -> NDArray[np.float64]:
        """Mean per bucket, NaN where it is empty."""
        return np.divide(
            self.sum, self.count, out=np.full(self.grid.count, np.nan), where=self.count > 0
        )

    def with_rows(self, time: NDArray[np.float64], value: NDArray[np.float64]) -> "Series":
        """The series with further readings added; those outside the grid are left out."""
        grid = self.grid
        at_us = np.round(time * 1e6).astype(np.int64)
        inside = (at_us >= grid.start_us) & (at_us < grid.end_us)
        bucket = (at_us[inside] - grid.start_us) // grid.width_us
        value = value[inside]
        low, high = self.min.copy(), self.max.copy()
        np.fmin.at(low, bucket, value)
        np.fmax.at(high, bucket, value)
        return Series(
            grid,
            low,
            high,
            self.sum + np.bincount(bucket, value, grid.count),
            self.count + np.bincount(bucket, minlength=grid.count),
            self.through,
        )
