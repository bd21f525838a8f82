"""Readings that windows have not taken in yet."""

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

_ROOM = 4096
_TAKEN = -1  # in place of a series


class Backlog:
    """State: readings in order of arrival, `series`, `metric`, `time` and `value`, and whether a
    series has any: most windows are read seldom, and taking in many readings at once costs a
    tenth of taking in a few.
    """

    def __init__(self) -> None:
        self._used = 0
        self._series = np.empty(_ROOM, np.int32)
        self._metric = np.empty(_ROOM, np.int32)
        self._time = np.empty(_ROOM, np.float64)
        self._value = np.empty(_ROOM, np.float64)
        self._has = Growing[np.bool_](np.bool_, False)

    def __len__(self) -> int:
        return self._used

    def has_room(self, readings: int) -> bool:
        return self._used + readings <= _ROOM

    def reach(self, series: int) -> None:
        self._has.reach(series)

    def add(self, series: Ids, metric: Ids, time: Floats, value: Floats) -> None:
        """Readings of series that are reached, for which there is room."""
        end = self._used + len(series)
        here = slice(self._used, end)
        self._series[here] = series
        self._metric[here] = metric
        self._time[here] = time
        self._value[here] = value
        self._has.values[series] = True
        self._used = end

    def add_one(self, series: int, metric: int, time: float, value: float) -> None:
        """As `add`, for one reading."""
        at = self._used
        self._series[at] = series
        self._metric[at] = metric
        self._time[at] = time
        self._value[at] = value
        self._has.values[series] = True
        self._used = at + 1

    def take_all(self) -> tuple[Ids, Ids, Floats, Floats]:
        """All of them: series, metric, time and value, valid until the next are added."""
        here = slice(0, self._used)
        series, metric = self._series[here], self._metric[here]
        time, value = self._time[here], self._value[here]
        left = series != _TAKEN
        if not left.all():
            series, metric, time, value = series[left], metric[left], time[left], value[left]
        self._has.values[series] = False
        self._used = 0
        return series, metric, time, value

    def take_of(self, series: int) -> list[tuple[float, float]]:
        """Time and value of those of one series."""
        if not 0 <= series < len(self._has.values) or not self._has.values.item(series):
            return []
        self._has.values[series] = False
        here = np.flatnonzero(self._series[: self._used] == series)
        self._series[here] = _TAKEN
        return list(zip(self._time[here].tolist(), self._value[here].tolist(), strict=True))
