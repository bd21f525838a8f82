"""How much the readings of a window vary: count, mean and sum of squared deviations by pane.

A cell takes in readings as Welford does, and cells are joined as Chan, Golub and LeVeque do, so
nothing large is subtracted from something large: readings of 1e9 that vary by 1e-3 vary by 1e-3.

Hot path (benchmarks/pipeline.py). One reading at a time and many give the same to the last bit.
"""

from math import inf
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.windows.ring import Ring
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Moments:
    """State: a ring of `count`, `mean`, `squares` (the sum of squared deviations from the mean),
    `min` and `max`.
    """

    kind: ClassVar[str] = "moments"
    functions = frozenset({"stddev"})

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        empty = {"count": 0.0, "mean": 0.0, "squares": 0.0, "min": inf, "max": -inf}
        self._ring = Ring(spec, empty)

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time."""
        kept, place, new = self._ring.write(series, time)
        value = value[kept]
        cell = self._ring.cell
        count = np.where(new, 0.0, cell["count"].take(place)) + 1.0
        before = np.where(new, 0.0, cell["mean"].take(place))
        deviation = value - before
        mean = before + deviation / count
        squares = np.where(new, 0.0, cell["squares"].take(place)) + deviation * (value - mean)
        cell["count"][place] = count
        cell["mean"][place] = mean
        cell["squares"][place] = squares
        cell["min"][place] = np.where(new, value, np.minimum(cell["min"].take(place), value))
        cell["max"][place] = np.where(new, value, np.maximum(cell["max"].take(place), value))

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        found = self._ring.write_one(series, time)
        if found is None:
            return
        place, new = found
        cell = self._ring.cell
        if new:
            count, before, squares, low, high = 1.0, 0.0, 0.0, value, value
        else:
            count = cell["count"].item(place) + 1.0
            before, squares = cell["mean"].item(place), cell["squares"].item(place)
            low, high = min(cell["min"].item(place), value), max(cell["max"].item(place), value)
        deviation = value - before
        mean = before + deviation / count
        cell["count"][place] = count
        cell["mean"][place] = mean
        cell["squares"][place] = squares + deviation * (value - mean)
        cell["min"][place] = low
        cell["max"][place] = high

    def advance(self, series: Ids, time: Floats) -> None:
        """The windows of series, each another, reach to these times, though nothing is there."""
        self._ring.advance(series, time)

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series: each mean depends on the one before."""
        for each in zip(time.tolist(), value.tolist(), strict=True):
            self.update_one(series, *each)

    @np.errstate(all="ignore")  # what overflows is infinite or unknown
    def query(self, function: str, series: Ids) -> Floats:
        """`stddev`, `min` or `max` of the open window of each series, NaN where unknown."""
        slot, inside = self._ring.window(series)
        if function in ("min", "max"):
            join, empty = (np.minimum, inf) if function == "min" else (np.maximum, -inf)
            found = join.reduce(np.where(inside, self._ring.cells(function, slot), empty), axis=1)
            return np.where(np.isfinite(found), found, np.nan)
        return self._spread(slot, inside)[2]

    def spread(self, series: Ids) -> tuple[Floats, Floats, Floats]:
        """How many readings are in the open window of each series, their mean, and their standard
        deviation, NaN with fewer than two.
        """
        return self._spread(*self._ring.window(series))

    def _spread(self, slot: NDArray[np.intp], inside: Mask) -> tuple[Floats, Floats, Floats]:
        count = np.where(inside, self._ring.cells("count", slot), 0.0)
        means = np.where(inside, self._ring.cells("mean", slot), 0.0)
        squares = np.where(inside, self._ring.cells("squares", slot), 0.0)
        number = _added_up(count)
        mean = _added_up(count * means) / np.maximum(number, 1.0)
        apart = np.where(inside, means - mean[:, None], 0.0)
        total = _added_up(squares + count * apart * apart)
        deviation = np.sqrt(np.where(number > 1, total, np.nan) / np.maximum(number - 1.0, 1.0))
        return number, mean, deviation

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        return self.query(function, np.array([series], np.int32)).item()

    def state(self) -> dict[str, Any]:
        return self._ring.state()

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec."""
        self._ring.load(state)


def _added_up(cells: Floats) -> Floats:
    """By row, from left to right: numpy's own sum groups by how many rows there are."""
    return np.add.accumulate(cells, axis=1)[:, -1]
