"""Sessions: runs of readings of a metric that are less than a gap apart.

    gap 10 s       |  1   4   9 |            |  30  |
    event time        1   4   9    (19)         30
    session          [1 ............ 19)       [30 ... 40)

A session is from its first reading to `gap` after its last; a reading just there begins another.
It closes when its device is there, and like any window is revised by what arrives later: a late
reading makes it longer, or joins it with the next. What is closed may be open again after that,
until the device has reached its new end; revisions are counted from when any part of it was
closed first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.windows.results import (
    NEVER,
    Arrived,
    Integers,
    Progress,
    Results,
    by_device,
    summed,
)


@dataclass(frozen=True, slots=True)
class Session:
    """Sessions of `gap` µs that begin from `since` on and before `until` (µs)."""

    gap: int
    since: int
    until: int

    def closed(self, readings: Arrived, progress: Progress) -> Results:
        """The results of the closed ones among these sessions; of several devices, of their
        readings together. `readings` begin at `since - gap` or before, so that it is seen which
        sessions began before `since`.
        """
        readings = readings.ordered()
        end, first, closing = (np.empty(len(readings.time), np.int64) for _ in range(3))

        def place(device: int, places: NDArray[np.intp]) -> Integers:
            time, arrival = readings.time[places], readings.arrival[places]
            begins = _begins(time, self.gap)
            count = np.diff(begins, append=len(time))
            ends = time[begins + count - 1] + self.gap
            first_of = np.minimum.reduceat(self._closings(device, time, arrival, progress), begins)
            end[places] = np.repeat(ends, count)
            first[places] = np.repeat(first_of, count)
            return np.repeat(progress.reached(device, ends), count)

        closing = by_device(readings.device, place)
        begins = _begins(readings.time, self.gap)
        start = np.repeat(readings.time[begins], np.diff(begins, append=len(readings.time)))
        inside = (start >= self.since) & (start < self.until)
        return summed(
            readings.at(inside), start[inside], end[inside], first[inside], closing[inside]
        )

    def _closings(
        self, device: int, time: Integers, arrival: Integers, progress: Progress
    ) -> Integers:
        """For each reading, in order of time, when it was the last of a session that was closed;
        NEVER if it never was.
        """
        closing = np.maximum(progress.reached(device, time + self.gap), arrival)
        begin = np.searchsorted(time, time, "right")
        end = np.searchsorted(time, time + self.gap)
        return np.where(_least(arrival, begin, end) > closing, closing, NEVER)


def _begins(time: Integers, gap: int) -> NDArray[np.intp]:
    """Where sessions begin among times in order."""
    return np.flatnonzero(np.diff(time, prepend=time[:1] - gap) >= gap)


def _least(of: Integers, begin: NDArray[np.intp], end: NDArray[np.intp]) -> Integers:
    """The least in each range; beyond NEVER for an empty one. Ranges of 2^n or more are two
    overlapping ones of 2^n, whose least values are made of those of half of it.
    """
    least = np.full(len(begin), NEVER + 1)
    length = end - begin
    table, width = of, 1
    while width <= np.max(length, initial=0):
        mine = np.flatnonzero((length >= width) & (length < 2 * width))
        least[mine] = np.minimum(table[begin[mine]], table[end[mine] - width])
        table = np.minimum(table[: max(len(table) - width, 0)], table[width:])
        width *= 2
    return least
