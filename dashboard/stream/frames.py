"""Frames: the readings of 100 ms, one row per series. Hot path; tests/dashboard/frame_cost.py.

A row carries the newest value, the extremes and the mean, so that a spike of a single sample is
seen by every viewer, however many readings a frame holds, and a chart weighs all of them.

    readings   a=1 ──── a=97 ── b=5 ── a=4 ────│ 100 ms
    frame      a: value 4, min 1, max 97, mean 34, count 3 · b: value 5, count 1
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.outcome import Readings


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows as columns of one length, in order of series; late readings in rows of their own.

    `series` int32, `time` float64 event time in seconds of the newest reading, `value` of that
    reading, `low`, `high`, `mean` float64, `count` int64. `arrivals` float64 and `arrived` int64 of
    another length: when readings of this frame arrived, and how many then.
    """

    series: NDArray[np.int32]
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    count: NDArray[np.int64]
    arrivals: NDArray[np.float64]
    arrived: NDArray[np.int64]
    _read: NDArray[np.int32]  # series of every reading, in order of arrival

    def __len__(self) -> int:
        return len(self.series)

    @property
    def received_at(self) -> float:
        """Arrival of the oldest reading."""
        return float(self.arrivals[self.arrived > 0].min())

    def only(self, wanted: NDArray[np.bool_]) -> "Frame":
        """The rows whose series is `wanted` (indexed by series), and what arrived of them."""
        rows = wanted[self.series]
        starts = np.cumsum(self.arrived) - self.arrived
        seen = wanted[self._read]
        return Frame(
            self.series[rows],
            self.time[rows],
            self.value[rows],
            self.low[rows],
            self.high[rows],
            self.mean[rows],
            self.count[rows],
            self.arrivals,
            np.add.reduceat(seen, starts, dtype=np.int64) if seen.size else self.arrived,
            self._read[seen],
        )


class FrameBuffer:
    """Owns the readings that have arrived since the last frame."""

    def __init__(self) -> None:
        self._parts: list[Readings] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, readings: Readings) -> None:
        if len(readings.series):
            self._parts.append(readings)

    def clear(self) -> None:
        self._parts = []

    def take(self) -> Frame:
        """Everything added since the last `take`. Raises ValueError if nothing was."""
        if not self._parts:
            raise ValueError("no readings were added since the last frame; expected some")
        readings = Readings.joined(self._parts)
        self.clear()
        series, time, value = readings.series, readings.time, readings.value

        # A late reading is minutes old: mixed with current ones it would draw a spike that
        # is not now. lexsort is stable: of two readings of one time, the later arrival wins.
        key = series.astype(np.int64) * 2 + readings.late
        order = np.lexsort((time, key))
        key, sorted_value = key[order], value[order]
        starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        ends = np.append(starts[1:], len(key)) - 1
        newest = order[ends]
        count = ends - starts + 1
        at = readings.arrival
        begins = np.flatnonzero(np.concatenate(([True], at[1:] != at[:-1])))
        return Frame(
            series[newest],
            time[newest],
            value[newest],
            np.minimum.reduceat(sorted_value, starts),
            np.maximum.reduceat(sorted_value, starts),
            # Divided before they are added: the sum of large values would overflow.
            np.add.reduceat(sorted_value / np.repeat(count, count), starts),
            count,
            at[begins],
            np.diff(np.append(begins, len(at))),
            series,
        )
