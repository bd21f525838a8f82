"""What windows of a metric came to, and how often that was revised: a fold over arrivals.

    window       |        12:00        |   12:01  |
    event time     12:00:10   12:00:50   12:01:05
    arrives        12:00:10   12:01:20   12:01:05
                                  │          └ its device is behind 12:00 now: closed, revision 0
                                  └ within the allowed lateness: revision 1

A window closes when a reading of its device, of any metric, is at its end or later; what arrived at
that instant is in it. Each later instant at which readings of it arrived is a revision. Readings
that were too late are in no window. All of this follows from what is stored of readings, so it is
the same at any time after, also after a restart. A window without readings has no result.

A window of several devices is closed when each that has readings in it has closed it, and its
revisions are counted from when the first of them did.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEVER = 2**62
PERCENTS = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Arrived:
    """Readings of one metric that were not too late: times in µs, judged time; `device` is any
    number for each device.
    """

    device: Integers
    time: Integers
    value: Floats
    arrival: Integers
    row: Integers

    @classmethod
    def joined(cls, one: "Arrived", other: "Arrived") -> "Arrived":
        return cls(
            *(
                np.concatenate((getattr(one, each.name), getattr(other, each.name)))
                for each in fields(cls)
            )
        )

    def ordered(self) -> "Arrived":
        """By time, and of one time by arrival."""
        return self.at(np.lexsort((self.row, self.arrival, self.time)))

    def at(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> "Arrived":
        return Arrived(*(getattr(self, each.name)[places] for each in fields(self)))


class Progress:
    """How far each device was, and since when: of its readings of all metrics, which were not too
    late, the times and when the first of each arrived, in any order.
    """

    def __init__(self, device: Integers, time: Integers, arrival: Integers) -> None:
        order = np.lexsort((time, device))
        device, time, arrival = device[order], time[order], arrival[order]
        bounds = np.flatnonzero(np.diff(device, prepend=-1, append=-1))
        self._of: dict[int, tuple[Integers, Integers]] = {}
        for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            # Something at a time or later has arrived first.
            first = np.minimum.accumulate(arrival[begin:end][::-1])[::-1]
            self._of[device.item(begin)] = time[begin:end], np.append(first, NEVER)

    def reached(self, device: int, time: Integers) -> Integers:
        """When `device` was first at each time or later; NEVER if it was not."""
        if device not in self._of:
            return np.full(len(time), NEVER)
        times, first = self._of[device]
        return first[np.searchsorted(times, time)]

    def each_reached(self, device: Integers, time: Integers) -> Integers:
        """As `reached`, each time for a device of its own."""
        return by_device(device, lambda one, places: self.reached(one, time[places]))


def by_device(device: Integers, of_one: Callable[[int, NDArray[np.intp]], Integers]) -> Integers:
    """What `of_one` gives for each device and the places where it is, at these places."""
    found = np.empty(len(device), np.int64)
    order = np.argsort(device, kind="stable")
    bounds = np.flatnonzero(np.diff(device[order], prepend=-1, append=-1))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        places = order[begin:end]
        found[places] = of_one(device.item(places.item(0)), places)
    return found


@dataclass(frozen=True, slots=True)
class Hopping:
    """`count` windows, the first from `start` on, each `hop` µs after the one before and as long as
    `panes` hops. Of one pane they are tumbling.
    """

    start: int
    hop: int
    panes: int
    count: int

    def closed(self, readings: Arrived, progress: Progress) -> "Results":
        """The results of the closed ones among these windows. `progress` may be as coarse as
        hops from `start` on.
        """
        readings = readings.ordered()
        size = self.hop * self.panes
        # Every `panes`-th window: these do not overlap.
        families: list[Results] = []
        for pane in range(min(self.panes, self.count)):
            start = self.start + pane * self.hop
            window = (readings.time - start) // size
            inside = (window >= 0) & (window * self.panes + pane < self.count)
            mine, window = readings.at(inside), window[inside]
            closing = progress.each_reached(mine.device, start + (window + 1) * size)
            begin = start + window * size
            families.append(summed(mine, begin, begin + size, closing, closing))
        return Results.joined(families or [Results.empty()])


def summed(
    readings: Arrived, start: Integers, end: Integers, first: Integers, closing: Integers
) -> "Results":
    """What windows that do not overlap came to, of readings ordered by time, by reading: where its
    window starts and, as far as is known of its device, ends; when its device closed it
    first, and when as it is now. Windows that some device has not closed have no result.
    """
    begins = np.flatnonzero(np.diff(start, prepend=-1))
    if not len(begins):
        return Results.empty()
    window = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(start)))
    shown = (np.maximum.reduceat(closing, begins) < NEVER)[window]
    readings, start, end = readings.at(shown), start[shown], end[shown]
    first, closing = first[shown], closing[shown]
    begins = np.flatnonzero(np.diff(start, prepend=-1))
    if not len(begins):
        return Results.empty()
    value, arrival = readings.value, readings.arrival
    count = np.diff(begins, append=len(value))
    window = np.repeat(np.arange(len(begins)), count)
    closed = np.minimum.reduceat(first, begins)
    after = arrival > closed[window]
    revised = _distinct(window[after], arrival[after])
    members = _distinct(window, readings.device)
    total = np.add.reduceat(value, begins)
    apart = value - (total / count)[window]
    by_value = value[np.lexsort((value, window))]
    ranks = [by_value[begins - (-count * percent // 100) - 1] for percent in PERCENTS]
    return Results(
        start[begins],
        np.maximum.reduceat(end, begins),
        np.bincount(members, minlength=len(begins)),
        count,
        np.minimum.reduceat(value, begins),
        np.maximum.reduceat(value, begins),
        total,
        np.sqrt(np.add.reduceat(apart * apart, begins) / np.where(count > 1, count - 1.0, np.nan)),
        ranks[0],
        ranks[1],
        ranks[2],
        ranks[3],
        value[begins],
        value[begins + count - 1],
        np.bincount(revised, minlength=len(begins)),
        np.maximum(np.maximum.reduceat(arrival, begins), np.maximum.reduceat(closing, begins)),
    )


def _distinct(window: NDArray[np.intp], what: Integers) -> NDArray[np.intp]:
    """The window of each pair of a window and something, once. Windows are in order."""
    what = what[np.lexsort((what, window))]
    new = (np.diff(window, prepend=-1) != 0) | (np.diff(what, prepend=-1) != 0)
    return window[new]


@dataclass(frozen=True, slots=True)
class Results:
    """Of closed windows with readings, as columns, oldest first: where each starts and ends (µs),
    how many devices have readings in it, what these came to, how often that was revised after it
    closed, and when it came to that (µs). Percentiles are the smallest reading with at
    least so many percent at or below it, exactly; `stddev` is the sample one, NaN of one reading.
    """

    start: Integers
    end: Integers
    devices: Integers
    count: Integers
    min: Floats
    max: Floats
    sum: Floats
    stddev: Floats
    p50: Floats
    p90: Floats
    p95: Floats
    p99: Floats
    first: Floats
    last: Floats
    revision: Integers
    changed: Integers

    @classmethod
    def empty(cls) -> "Results":
        return cls.of_columns([b""] * len(fields(cls)))

    @classmethod
    def joined(cls, parts: "list[Results]") -> "Results":
        """In one order, oldest first."""
        order = np.argsort(np.concatenate([part.start for part in parts]), kind="stable")
        return cls(
            *(
                np.concatenate([getattr(part, each.name) for part in parts])[order]
                for each in fields(cls)
            )
        )

    def columns(self) -> list[Integers | Floats]:
        return [getattr(self, each.name) for each in fields(self)]

    @classmethod
    def of_columns(cls, columns: list[bytes]) -> "Results":
        """Raises ValueError if it is not what `columns` gave."""
        integers = {"start", "end", "devices", "count", "revision", "changed"}
        found: list[Any] = [
            np.frombuffer(column, np.int64 if each.name in integers else np.float64)
            for column, each in zip(columns, fields(cls), strict=True)
        ]
        return cls(*found)
