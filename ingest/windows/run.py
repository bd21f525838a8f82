"""A run: readings of one series, one after the other in time, put together by pane.

Sums are added up in the order of the readings, as one by one, so that they come out the same to the
last bit; numpy's own reductions add in pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """By pane, ascending: where its readings begin, and how many, their sum, min and max."""

    pane: Integers
    start: NDArray[np.intp]
    count: NDArray[np.intp]
    sum: Floats
    min: Floats
    max: Floats

    @classmethod
    def of(cls, pane: Integers, value: Floats, sum_before: float | None) -> "Run":
        """Readings in panes that never go back, at least one. `sum_before` is what the first of
        them has already, if anything."""
        start = np.flatnonzero(np.diff(pane, prepend=pane[0] - 1))
        count = np.diff(start, append=len(pane))
        total = value[start]
        if sum_before is not None:
            total[0] += sum_before
        if count.max() <= len(start):
            for nth in range(1, int(count.max())):
                some = np.flatnonzero(count > nth)
                total[some] += value[start[some] + nth]
        else:
            for place, (begin, length) in enumerate(
                zip(start.tolist(), count.tolist(), strict=True)
            ):
                if length > 1:
                    total[place] = added_up(total.item(place), value[begin + 1 : begin + length])
        return cls(
            pane[start],
            start,
            count,
            total,
            np.minimum.reduceat(value, start),
            np.maximum.reduceat(value, start),
        )


def added_up(before: float, value: Floats) -> float:
    """The sum, from left to right."""
    return np.add.accumulate(np.concatenate(([before], value))).item(-1)
