"""Which readings can turn a rule: bounds by series, within which every rule stays as it is.

Hot path (benchmarks/pipeline.py): one comparison of whole arrays tells the readings that matter.
"""

from math import inf

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.calm import Bounds

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

_MOST = 15  # readings


class Watch:
    """State by series: `low`, `high` and `until`, an event time. At first nothing is within them.
    `patience`: where no bounds were found, how many readings to wait before looking again, twice
    as many each time, and `waited`, how many have been.

    What is here follows from the catalogue, the windows and the rules that hold, and says only
    what need not be looked at, so it is in no snapshot.
    """

    def __init__(self) -> None:
        self._low = Growing[np.float64](np.float64, inf)
        self._high = Growing[np.float64](np.float64, -inf)
        self._until = Growing[np.float64](np.float64, -inf)
        self._patience = Growing[np.int8](np.int8, 0)
        self._waited = Growing[np.int8](np.int8, 0)

    def reach(self, series: int) -> None:
        for column in (
            self._low,
            self._high,
            self._until,
            self._patience,
            self._waited,
        ):
            column.reach(series)

    def forget(self) -> None:
        """Every reading matters until it was looked at."""
        series = len(self._low.values) - 1
        self.__init__()
        self.reach(series)

    def within(self, series: Ids, time: Floats, value: Floats) -> NDArray[np.bool_]:
        """Which readings turn nothing, if they are as new as any of their series."""
        within = value <= self._high.values.take(series)
        within &= value >= self._low.values.take(series)
        within &= time <= self._until.values.take(series)
        return within

    def within_one(self, series: int, time: float, value: float) -> bool:
        return self._low.values.item(series) <= value <= self._high.values.item(
            series
        ) and time <= self._until.values.item(series)

    def alert(self, series: "int | Ids") -> None:
        """Every reading of these matters; -1 is none."""
        self._low.values[series] = inf
        self._high.values[series] = -inf

    def release(self, series: "int | Ids") -> None:
        """No reading of these matters, until they are bounded."""
        self._low.values[series] = -inf
        self._high.values[series] = inf
        self._until.values[series] = inf

    def bound(self, series: int, bounds: Bounds) -> None:
        """Outside of these bounds it matters too."""
        _, low, high, until = bounds
        if low > self._low.values.item(series):
            self._low.values[series] = low
        if high < self._high.values.item(series):
            self._high.values[series] = high
        if until < self._until.values.item(series):
            self._until.values[series] = until

    # -- patience

    def waiting(self, series: int) -> bool:
        """What `waits` will say."""
        return self._waited.values.item(series) < self._patience.values.item(series)

    def waits(self, series: int) -> bool:
        """Whether it is too early to look for bounds again; counts the readings."""
        if not self.waiting(series):
            return False
        self._waited.values[series] += 1
        return True

    def found_none(self, series: int) -> None:
        self._patience.values[series] = min(2 * self._patience.values.item(series) + 1, _MOST)
        self._waited.values[series] = 0

    def found_some(self, series: int) -> None:
        self._patience.values[series] = 0
