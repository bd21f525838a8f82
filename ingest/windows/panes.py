"""The panes of one window over all series of one metric.

Hot path: every method works on arrays over series (benchmarks/engine.py).
"""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.windows.spec import WindowSpec

Floats = NDArray[np.float64]
Columns = NDArray[np.int64]

# What each function needs kept, besides the stamp and count of each pane.
AGGREGATES: dict[str, tuple[str, ...]] = {
    "count": (),
    "sum": ("sum",),
    "avg": ("sum",),
    "min": ("min",),
    "max": ("max",),
    "first": ("first_time", "first"),
    "last": ("last_time", "last"),
    "delta": ("first_time", "first", "last_time", "last"),
    "rate": ("first_time", "first", "last_time", "last"),
}
_NO_PANE = -(2**62)


class Panes:
    """State: for each series and pane the stamp (which pane it is), count, sum, min, max, first
    and last, as far as some function needs them: arrays [slot × pane], int64 and float64.

    A series gets its slot with its first reading here. Pane number p lives in column p mod n,
    and its stamp says whether what is there is p or n panes older, so nothing is ever cleared.
    """

    def __init__(self, spec: WindowSpec, functions: Iterable[str]) -> None:
        self.spec = spec
        self.functions = frozenset(functions)
        self._width = spec.panes
        shape = (self._width,)
        kept = {name for function in self.functions for name in AGGREGATES[function]}
        self._slot_of = Growing[np.int32](np.int32, -1)
        self._slots = 0
        self._newest = Growing[np.int64](np.int64, _NO_PANE)
        self._stamp = Growing[np.int64](np.int64, _NO_PANE, shape)
        self._count = Growing[np.int64](np.int64, 0, shape)
        self._kept = {name: Growing[np.float64](np.float64, 0.0, shape) for name in sorted(kept)}

    def update(self, series: NDArray[np.int32], time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time.

        Of two readings of one time, the one that came later is the newer.
        """
        slot = self._admit(series)
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        column = pane % self._width
        stamp = self._stamp.values[slot, column]
        fits = stamp <= pane  # else the window has moved on, and a newer pane took the column
        if not fits.all():
            slot, column, pane, stamp = slot[fits], column[fits], pane[fits], stamp[fits]
            time, value = time[fits], value[fits]
        self._newest.values[slot] = np.maximum(self._newest.values[slot], pane)
        self._stamp.values[slot, column] = pane
        new = stamp != pane
        self._count.values[slot, column] = np.where(new, 1, self._count.values[slot, column] + 1)
        kept = self._kept
        if "sum" in kept:
            total = kept["sum"].values
            total[slot, column] = np.where(new, value, total[slot, column] + value)
        if "min" in kept:
            least = kept["min"].values
            least[slot, column] = np.where(new, value, np.minimum(least[slot, column], value))
        if "max" in kept:
            most = kept["max"].values
            most[slot, column] = np.where(new, value, np.maximum(most[slot, column], value))
        if "first" in kept:
            older = new | (time <= kept["first_time"].values[slot, column])
            self._note("first", slot[older], column[older], time[older], value[older])
        if "last" in kept:
            newer = new | (time >= kept["last_time"].values[slot, column])
            self._note("last", slot[newer], column[newer], time[newer], value[newer])

    def _note(
        self, end: str, slot: NDArray[np.int32], column: Columns, time: Floats, value: Floats
    ) -> None:
        self._kept[end].values[slot, column] = value
        self._kept[end + "_time"].values[slot, column] = time

    def query(self, function: str, series: NDArray[np.int32]) -> Floats:
        """`function` over the open window at the newest reading of each series.

        NaN where it is unknown: no reading of the series was seen here, or only one where two
        are needed. A series of -1 has none.
        """
        known = self._slot_of.values[_inside(series, self._slot_of)]
        inside = self._stamp.values[known] > (self._newest.values[known] - self._width)[:, None]
        return self._over(function, known, inside & (known >= 0)[:, None])

    def _over(self, function: str, slot: NDArray[np.int32], inside: NDArray[np.bool_]) -> Floats:
        kept = self._kept
        count = np.where(inside, self._count.values[slot], 0).sum(axis=1)
        some = count > 0
        if function == "count":
            return np.where(some, count, np.nan)
        if function in ("sum", "avg"):
            total = np.where(inside, kept["sum"].values[slot], 0.0).sum(axis=1)
            if function == "sum":
                return np.where(some, total, np.nan)
            return np.where(some, total, np.nan) / np.maximum(count, 1)
        if function == "min":
            least = np.where(inside, kept["min"].values[slot], np.inf).min(axis=1)
            return np.where(some, least, np.nan)
        if function == "max":
            most = np.where(inside, kept["max"].values[slot], -np.inf).max(axis=1)
            return np.where(some, most, np.nan)
        if function == "first":
            return np.where(some, self._end("first", slot, inside)[1], np.nan)
        last_time, last = self._end("last", slot, inside)
        if function == "last":
            return np.where(some, last, np.nan)
        first_time, first = self._end("first", slot, inside)
        change = np.where(count > 1, last - first, np.nan)
        if function == "delta":
            return change
        span = last_time - first_time
        return np.where(span > 0, change, np.nan) / np.where(span > 0, span, 1.0)

    def _end(
        self, end: str, slot: NDArray[np.int32], inside: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Time and value of the first or last reading in each window."""
        stamp = self._stamp.values[slot]
        if end == "first":
            pane = np.where(inside, stamp, np.iinfo(np.int64).max).argmin(axis=1)
        else:
            pane = np.where(inside, stamp, _NO_PANE).argmax(axis=1)
        return self._kept[end + "_time"].values[slot, pane], self._kept[end].values[slot, pane]

    def _admit(self, series: NDArray[np.int32]) -> NDArray[np.int32]:
        self._slot_of.reach(int(series.max(initial=-1)) + 1)
        slot = self._slot_of.values[series]
        new = slot < 0
        if new.any():
            count = int(new.sum())
            for column in (self._newest, self._stamp, self._count, *self._kept.values()):
                cast("Growing[Any]", column).reach(self._slots + count)
            self._slot_of.values[series[new]] = np.arange(self._slots, self._slots + count)
            self._slots += count
            slot = self._slot_of.values[series]
        return slot

    def state(self) -> dict[str, Any]:
        return {
            "series": np.argsort(self._slot_of.values, kind="stable")[-self._slots :]
            if self._slots
            else np.empty(0, np.int64),
            "newest": self._newest.values[: self._slots],
            "stamp": self._stamp.values[: self._slots],
            "count": self._count.values[: self._slots],
            "kept": {name: column.values[: self._slots] for name, column in self._kept.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec and functions."""
        series = state["series"]
        self._slots = len(series)
        self._slot_of.reach(int(series.max(initial=-1)) + 1)
        self._slot_of.values[series] = np.arange(self._slots)
        self._newest.load(state["newest"])
        self._stamp.load(state["stamp"])
        self._count.load(state["count"])
        for name, column in self._kept.items():
            column.load(state["kept"][name])


def _inside(series: NDArray[np.int32], column: Growing[np.int32]) -> NDArray[np.int32]:
    """Series that the column is too short to know are none: -1."""
    return np.where(series < len(column.values) - 1, series, -1)
