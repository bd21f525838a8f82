"""Runs: readings of several series, one series after the other, each in order of arrival.

Sums are added up in the order of the readings, as one by one, so that they come out the same to the
last bit; numpy's own reductions add in pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]

_UNEVEN = 4  # times the mean: parts that are longer are added up by themselves
_SHORT = 8  # readings up to which no part is long


@dataclass(frozen=True, slots=True)
class Runs:
    """By reading `time` and `value`. By run `series`, each another; `start` and `last`, the places
    of its first and last reading, and their number, `count`; the `min` and `max` of its values;
    and `rises`, whether each reading is newer than the one before.
    """

    series: Ids
    start: Places
    last: Places
    count: Places
    min: Floats
    max: Floats
    rises: Mask
    time: Floats
    value: Floats

    @classmethod
    def of(cls, series: Ids, time: Floats, value: Floats) -> "Runs":
        """Readings in order of arrival, at least one."""
        order = np.argsort(series, kind="stable")
        owner, time, value = series[order], time[order], value[order]
        changes = np.concatenate(([True], owner[1:] != owner[:-1]))
        start = np.flatnonzero(changes)
        count = lengths(start, len(owner))
        falls = np.concatenate(([False], time[1:] <= time[:-1]))
        falls &= ~changes
        rises = np.ones(len(start), np.bool_)
        if np.count_nonzero(falls):
            rises = np.logical_or.reduceat(falls, start)
            np.logical_not(rises, out=rises)
        low, high = np.minimum.reduceat(value, start), np.maximum.reduceat(value, start)
        last = start + count - 1
        return cls(owner.take(start), start, last, count, low, high, rises, time, value)

    def only(self, some: Mask) -> "Runs":
        """Some of the runs."""
        kept, count = np.repeat(some, self.count), self.count[some]
        start = count.cumsum() - count
        return Runs(
            self.series[some],
            start,
            start + count - 1,
            count,
            self.min[some],
            self.max[some],
            self.rises[some],
            self.time[kept],
            self.value[kept],
        )


def lengths(start: Places, end: int) -> Places:
    """How long parts are that begin at `start`, one after the other; the last one ends at `end`."""
    return np.concatenate((start[1:], (end,))) - start


def added_up(first: Floats, value: Floats, start: Places, count: Places) -> Floats:
    """Of each part of `value` the sum from left to right, with `first` in place of its first.

    `start` and `count` say where a part begins and how many values it has, one at least.
    """
    total = first.copy()
    several = np.flatnonzero(count > 1)
    if not len(several):
        return total
    length = count[several]
    longest = max(_UNEVEN * (int(length.sum()) // len(length)), _SHORT)
    if int(length.max()) > longest:
        for place in several[length > longest].tolist():
            part = value[start.item(place) : start.item(place) + count.item(place)].copy()
            part[0] = first[place]
            total[place] = np.add.accumulate(part)[-1]
        several = several[length <= longest]
        if not len(several):
            return total
        length = count[several]
    nth = np.arange(int(length.max()))
    places = start[several, None] + nth
    np.minimum(places, len(value) - 1, out=places)
    rows = value.take(places)  # beyond the end of a part is what comes next; nobody looks there
    rows[:, 0] = first[several]
    np.add.accumulate(rows, axis=1, out=rows)
    total[several] = rows[np.arange(len(several)), length - 1]
    return total
