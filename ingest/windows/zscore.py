"""How unusual the newest reading is: its distance from the mean of those before it in the window,
in their standard deviations.

    before the newest   | 20.1  19.9  20.0 … 20.2 |  mean 20.05, deviation 0.1 (sample, n - 1)
    newest              |                         |  20.5     z = (20.5 - 20.05) / 0.1 = 4.5

The newest is not among those it is compared with: of ten readings none is further than 2.85
deviations from a mean that it is itself part of. Before there are FEWEST others nothing is known.
Where they did not vary at all any other value is as unusual as can be: MOST.

One reading at a time and many give the same to the last bit.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.windows.moments import Moments
from tocsin.ingest.windows.slots import Slots
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

FEWEST = 10
"""Readings before the newest, from which on they say what is usual."""

MOST = 1e6
"""No answer is beyond it."""


class Zscore:
    """State: the moments of all readings but the newest; by slot the newest, `time` and `value`."""

    kind: ClassVar[str] = "zscore"
    functions = frozenset({"zscore"})

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self._others = Moments(spec)
        self._slots = Slots(self._reach)
        self._time = Growing[np.float64](np.float64, -np.inf)
        self._value = Growing[np.float64](np.float64, np.nan)

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time."""
        slot = self._slots.admit(series)
        newest, newest_value = self._time.values.take(slot), self._value.values.take(slot)
        ahead = time >= newest
        self._time.values[slot] = np.where(ahead, time, newest)
        self._value.values[slot] = np.where(ahead, value, newest_value)
        self._others.advance(series[ahead], time[ahead])
        older, older_value = np.where(ahead, newest, time), np.where(ahead, newest_value, value)
        known = older > -np.inf
        if np.count_nonzero(known):
            self._others.update(series[known], older[known], older_value[known])

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        slot = self._slots.admit_one(series)
        newest = self._time.values.item(slot)
        if time < newest:
            self._others.update_one(series, time, value)
            return
        before = self._value.values.item(slot)
        self._time.values[slot] = time
        self._value.values[slot] = value
        self._others.advance(np.array([series], np.int32), np.array([time]))
        if newest > -np.inf:
            self._others.update_one(series, newest, before)

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series."""
        for each in zip(time.tolist(), value.tolist(), strict=True):
            self.update_one(series, *each)

    @np.errstate(all="ignore")  # what overflows is infinite or unknown
    def query(self, function: str, series: Ids) -> Floats:
        """`zscore` of the newest reading of each series, NaN where unknown; `min` and `max` of all
        readings of the window.
        """
        newest = self._value.values[self._slots.find(series)]
        if function != "zscore":
            join = np.fmin if function == "min" else np.fmax
            return join(self._others.query(function, series), newest)
        number, mean, deviation = self._others.spread(series)
        apart = newest - mean
        scores = np.where(apart == 0, 0.0, np.clip(apart / deviation, -MOST, MOST))
        return np.where(number >= FEWEST, scores, np.nan)

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        return self.query(function, np.array([series], np.int32)).item()

    def _reach(self, slots: int) -> None:
        self._time.reach(slots)
        self._value.reach(slots)

    def state(self) -> dict[str, Any]:
        used, slot = self._slots.used()
        return {
            "others": self._others.state(),
            "series": used,
            "time": self._time.values[slot],
            "value": self._value.values[slot],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec."""
        self._others.load(state["others"])
        self._slots.load(state["series"])
        self._time.load(state["time"])
        self._value.load(state["value"])
