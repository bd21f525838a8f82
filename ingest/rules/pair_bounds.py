"""Within which bounds a rule stays as it is for a device, as it was last looked at.

When a reading leaves the bounds of its series, that is so for one rule mostly; of the others it is
known here that it is within theirs, and nobody has to look at their windows again.
"""

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.calm import Bounds

Pairs = int | slice | NDArray[np.integer]


class PairBounds:
    """Of the pairs of rules that read `metric` and nothing else.

    State by pair: bounds `low` and `high`, and `until`, an event time, of `series`; -1 where
    nothing is known. It is in no snapshot, as the bounds of series are in none.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._series = Growing[np.int32](np.int32, -1)
        self._low = Growing[np.float64](np.float64, inf)
        self._high = Growing[np.float64](np.float64, -inf)
        self._until = Growing[np.float64](np.float64, -inf)

    def reach(self, pairs: int) -> None:
        for column in (self._series, self._low, self._high, self._until):
            column.reach(pairs)

    def keep(self, pair: int, series: int, bounds: Sequence[Bounds]) -> None:
        """What was found when the newest reading of `series` was looked at."""
        if not bounds:
            self.forget(pair)
            return
        _, low, high, until = bounds[0]
        for each in bounds[1:]:
            low, high, until = max(low, each.low), min(high, each.high), min(until, each.until)
        self._series.values[pair] = series
        self._low.values[pair] = low
        self._high.values[pair] = high
        self._until.values[pair] = until

    def find(self, pair: int, series: int, time: float, value: float) -> tuple[Bounds] | None:
        """The bounds, if the newest reading of `series` is within them."""
        if self._series.values.item(pair) != series:
            return None
        low, high = self._low.values.item(pair), self._high.values.item(pair)
        until = self._until.values.item(pair)
        if low <= value <= high and time <= until:
            return (Bounds(self.metric, low, high, until),)
        return None

    def forget(self, pairs: Pairs) -> None:
        """These may have readings that were not held against their bounds."""
        self._series.values[pairs] = -1
