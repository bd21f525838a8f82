"""For how long a metric has read the same: by series the beginning of its run of equal readings.

A reading that is older than the newest and differs ends no run, but nothing before it counts.

Hot path (benchmarks/pipeline.py). One reading at a time and many give the same to the last bit.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

_ROUNDING_S = 1e-6
"""Of differences between event times in 64 bits."""


class Steady:
    """State by series: `value` and event time (`newest`) of the newest reading, `since` when it has
    been read without a break, and whether another value was read before (`changed`).
    """

    kind: ClassVar[str] = "steady"
    functions = frozenset({"flatline"})

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self._value = Growing[np.float64](np.float64, np.nan)
        self._newest = Growing[np.float64](np.float64, -np.inf)
        self._since = Growing[np.float64](np.float64, -np.inf)
        self._changed = Growing[np.bool_](np.bool_, False)
        self._known = 0

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time."""
        if not len(series):
            return
        self._reach(int(series.max()) + 1)
        newest, since = self._newest.values[series], self._since.values[series]
        ahead, differs = time >= newest, value != self._value.values[series]
        begins = np.where(ahead, time, np.maximum(since, time))
        self._changed.values[series] |= differs & np.isfinite(newest)
        self._since.values[series] = np.where(differs, begins, since)
        self._value.values[series] = np.where(ahead, value, self._value.values[series])
        self._newest.values[series] = np.maximum(newest, time)

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        self._reach(series + 1)
        newest, since = self._newest.values.item(series), self._since.values.item(series)
        if value != self._value.values.item(series):
            self._changed.values[series] |= newest > -np.inf
            self._since.values[series] = time if time >= newest else max(since, time)
        if time >= newest:
            self._value.values[series] = value
            self._newest.values[series] = time

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series."""
        for each in zip(time.tolist(), value.tolist(), strict=True):
            self.update_one(series, *each)

    @np.errstate(invalid="ignore")  # of a series without readings
    def query(self, function: str, series: Ids) -> Floats:
        """`flatline`: 1 where the newest reading ends a run of the window's size or more, 0 where
        another value was read since, NaN where too little was seen. `min` and `max`: of the run.
        """
        if len(series):
            self._reach(int(series.max()) + 1)
        if function != "flatline":
            return self._value.values[series]
        steady_s = self._newest.values[series] - self._since.values[series]
        so_far = np.where(self._changed.values[series], 0.0, np.nan)
        return np.where(steady_s >= self.spec.size_s - _ROUNDING_S, 1.0, so_far)

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        return self.query(function, np.array([series], np.int32)).item()

    def _reach(self, series: int) -> None:
        if series > self._known:
            self._known = series
            for column in (self._value, self._newest, self._since, self._changed):
                column.reach(series)

    def state(self) -> dict[str, Any]:
        used = np.flatnonzero(np.isfinite(self._newest.values[: self._known]))
        return {
            "series": used,
            "value": self._value.values[used],
            "newest": self._newest.values[used],
            "since": self._since.values[used],
            "changed": self._changed.values[used],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec."""
        self.__init__(self.spec)
        used = state["series"]
        self._reach(int(used.max(initial=-1)) + 1)
        self._value.values[used] = state["value"]
        self._newest.values[used] = state["newest"]
        self._since.values[used] = state["since"]
        self._changed.values[used] = state["changed"]
