"""The last readings of each series, to tell repeated ones from new ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.order import occurrence

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

DEPTH = 64


class RecentReadings:
    """State: (event time, value) of the last DEPTH readings of each series that has its own times.

    By series and not by time, because what is sent twice is sent twice by a device that was
    away, however long: after an hour without network it repeats its last messages.
    """

    def __init__(self) -> None:
        self._slot_of = Growing[np.int32](np.int32, -1)
        self._slots = 0
        self._next = Growing[np.int64](np.int64, 0)
        self._time = Growing[np.float64](np.float64, np.nan, (DEPTH,))
        self._value = Growing[np.float64](np.float64, np.nan, (DEPTH,))

    def known(self, series: Ids, time: Floats, value: Floats) -> NDArray[np.bool_]:
        """Whether each reading is among the last of its series."""
        slot = self._slot_of.values[np.where(series < len(self._slot_of.values) - 1, series, -1)]
        same = (self._time.values[slot] == time[:, None]) & (
            self._value.values[slot] == value[:, None]
        )
        return same.any(axis=1)

    def add(self, series: Ids, time: Floats, value: Floats) -> None:
        """Remember readings, the oldest first."""
        self._admit(series)
        slot = self._slot_of.values[series]
        place = self._next.values[slot]
        if len(slot) > 1:
            place = place + occurrence(slot)
        self._time.values[slot, place % DEPTH] = time
        self._value.values[slot, place % DEPTH] = value
        self._next.values[slot] = place + 1

    def _admit(self, series: Ids) -> None:
        self._slot_of.reach(int(series.max(initial=-1)) + 1)
        new = np.unique(series[self._slot_of.values[series] < 0])
        if len(new):
            slots = self._slots + len(new)
            for column in (self._next, self._time, self._value):
                column.reach(slots)
            self._slot_of.values[new] = np.arange(self._slots, slots)
            self._slots = slots

    def state(self) -> dict[str, Any]:
        used = np.flatnonzero(self._slot_of.values >= 0)
        slot = self._slot_of.values[used]
        return {
            "series": used,
            "next": self._next.values[slot],
            "time": self._time.values[slot],
            "value": self._value.values[slot],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from."""
        self.__init__()
        used = state["series"]
        self._slots = len(used)
        self._slot_of.reach(int(used.max(initial=-1)) + 1)
        self._slot_of.values[used] = np.arange(len(used))
        self._next.load(state["next"])
        self._time.load(state["time"])
        self._value.load(state["value"])
