"""Which row of its arrays a window gives to a series: few series have any one window."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing

Ids = NDArray[np.int32]
Places = NDArray[np.intp]


class Slots:
    """State: by series its slot, -1 for none. `reach` is told of how many there are before the
    first of a new one is given out.
    """

    def __init__(self, reach: Callable[[int], None]) -> None:
        self._reach = reach
        self._of = Growing[np.int32](np.int32, -1)
        self._count = 0

    def admit(self, series: Ids) -> Places:
        """The slots of series, each another, new or known."""
        self._of.reach(int(series.max(initial=-1)) + 1)
        slot = self._of.values.take(series)
        new = slot < 0
        if np.count_nonzero(new):
            count = self._count + int(new.sum())
            self._reach(count)
            self._of.values[series[new]] = np.arange(self._count, count)
            self._count = count
            slot = self._of.values.take(series)
        return slot.astype(np.intp)

    def admit_one(self, series: int) -> int:
        slots = self._of.values
        slot = slots.item(series) if series < len(slots) else -1
        return slot if slot >= 0 else self.admit(np.array([series], np.int32)).item(0)

    def find_one(self, series: int) -> int:
        """As `find`, for one series."""
        known = self._of.values
        return known.item(series) if 0 <= series < len(known) else -1

    def find(self, series: Ids) -> Places:
        """The slots of series, -1 for those that have none and for a series of -1."""
        known = self._of.values
        return known[np.where(series < len(known), series, -1)].astype(np.intp)

    def used(self) -> tuple[Places, Places]:
        """All series that have one, ascending, and their slots."""
        series = np.flatnonzero(self._of.values >= 0)
        return series, self._of.values[series].astype(np.intp)

    def load(self, series: Places) -> None:
        """Give the first slots to these, in this order, and no other any."""
        self._of = Growing[np.int32](np.int32, -1)
        self._of.reach(int(series.max(initial=-1)) + 1)
        self._of.values[series] = np.arange(len(series))
        self._count = len(series)
        self._reach(self._count)
