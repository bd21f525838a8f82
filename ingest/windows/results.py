"""What tumbling windows came to, and how often that was revised: a fold over how readings arrived.

    window       |        12:00        |   12:01  |
    event time     12:00:10   12:00:50   12:01:05
    arrives        12:00:10   12:01:20   12:01:05
                                  │          └ its device is behind 12:00 now: closed, revision 0
                                  └ within the allowed lateness: revision 1

A window closes when a reading of its device, of any metric, is at its end or later; what arrived at
that instant is in it. Each later instant at which readings of it arrived is a revision. Readings
that were too late are in no window. All of this follows from what is stored of readings, so it is
the same at any time after, also after a restart. A window without readings has no result.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Arrived:
    """Readings of one metric that were not too late, in any order: times in µs, judged time."""

    time: Integers
    value: Floats
    arrival: Integers
    row: Integers

    @classmethod
    def joined(cls, one: "Arrived", other: "Arrived") -> "Arrived":
        return cls(
            np.concatenate((one.time, other.time)),
            np.concatenate((one.value, other.value)),
            np.concatenate((one.arrival, other.arrival)),
            np.concatenate((one.row, other.row)),
        )


@dataclass(frozen=True, slots=True)
class Tumbling:
    """`count` windows of `size` µs, one after the other from `start` on."""

    start: int
    size: int
    count: int

    def place(self, time: Integers) -> Integers:
        """Which window a time is in; at most `count`, which is all that is behind the last."""
        return np.minimum((time - self.start) // self.size, self.count)

    def firsts(self, time: Integers, arrival: Integers) -> Integers:
        """By window, and behind the last, when the first reading in it arrived; NEVER if none did.
        Readings from `start` on, of all metrics of the device.
        """
        firsts = np.full(self.count + 1, NEVER)
        np.minimum.at(firsts, self.place(time), arrival)
        return firsts

    def closed(self, readings: Arrived, firsts: Integers) -> "Results":
        """The results of the closed ones among these windows."""
        inside = (readings.time >= self.start) & (self.place(readings.time) < self.count)
        time, value = readings.time[inside], readings.value[inside]
        arrival, row = readings.arrival[inside], readings.row[inside]
        order = np.lexsort((row, arrival, time))
        time, value, arrival = time[order], value[order], arrival[order]
        place = self.place(time)
        # When something later than each window arrived first.
        closing = np.minimum.accumulate(firsts[::-1])[::-1][1:]
        shown = closing[place] < NEVER
        place, value, arrival = place[shown], value[shown], arrival[shown]
        begins = np.flatnonzero(np.diff(place, prepend=-1))
        if not len(begins):
            none, nothing = np.empty(0, np.int64), np.empty(0)
            return Results(none, none, nothing, nothing, nothing, nothing, nothing, none, none)
        count = np.diff(begins, append=len(place))
        windows = place[begins]
        after = np.unique(np.stack((place, arrival))[:, arrival > closing[place]], axis=1)
        last = np.maximum.reduceat(arrival, begins)
        return Results(
            self.start + windows * self.size,
            count,
            np.minimum.reduceat(value, begins),
            np.maximum.reduceat(value, begins),
            np.add.reduceat(value, begins),
            value[begins],
            value[begins + count - 1],
            np.bincount(after[0], minlength=self.count)[windows],
            np.maximum(last, closing[windows]),
        )


@dataclass(frozen=True, slots=True)
class Results:
    """Of closed windows with readings, as columns, oldest first: where each starts (µs), what its
    readings came to, how often that was revised after it closed, and when it came to that (µs).
    """

    start: Integers
    count: Integers
    min: Floats
    max: Floats
    sum: Floats
    first: Floats
    last: Floats
    revision: Integers
    changed: Integers
