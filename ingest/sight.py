"""What rules see when a row is judged: the newest readings and windows of its device, as of then.

Hot path (benchmarks/engine.py).
"""

from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.rules.vector import Floats
from tocsin.ingest.windows.shared import SharedWindows

Ids = NDArray[np.int32]
Places = NDArray[np.intp]


class RoundSight:
    """What the vector form reads of the rows of one round; found once for all groups."""

    def __init__(self, catalogue: Catalogue, windows: SharedWindows, device: Ids) -> None:
        self._catalogue = catalogue
        self._windows = windows
        self.device = device
        self._known: dict[Hashable, Floats] = {}

    def series(self, metric: str) -> Ids:
        return self._catalogue.by_device(metric).values[self.device]

    def read(self, key: Hashable, find: Callable[[], Floats]) -> Floats:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = find()
        return found

    def number(self, metric: str) -> Floats:
        series = self.series(metric)
        return self.unless_text(metric, series, self._catalogue.newest_value.values[series])

    def code(self, metric: str) -> Floats:
        series = self.series(metric)
        text = self._catalogue.kind.values[series] == Kind.TEXT
        return np.where(text, self._catalogue.newest_value.values[series], np.nan)

    def age(self, metric: str) -> Floats:
        time = self._catalogue.newest_time.values[self.series(metric)]
        age = np.maximum(self._catalogue.watermark.values[self.device] - time, 0.0)
        return np.where(np.isfinite(time), age, np.nan)

    def window(self, metric: str, size_s: float, function: str) -> Floats:
        series = self.series(metric)
        found = self._windows.query(metric, size_s, function, series)
        return found if function == "count" else self.unless_text(metric, series, found)

    def unless_text(self, metric: str, series: Ids, value: Floats) -> Floats:
        if not self._catalogue.has_texts(metric):
            return value
        return np.where(self._catalogue.kind.values[series] == Kind.TEXT, np.nan, value)


class PairSight:
    """What the vector form of one group reads: `row` of the round and `rule` of each pair."""

    __slots__ = ("_constants", "_round", "_row", "_rule")

    def __init__(self, of: RoundSight, row: Places, constants: Floats, rule: Ids) -> None:
        self._round = of
        self._row = row
        self._constants = constants
        self._rule = rule

    def constant(self, index: int) -> Floats:
        column = self._constants[index]
        return column if len(column) == 1 else column[self._rule]

    def number(self, metric: str) -> Floats:
        return self._round.read(metric, lambda: self._round.number(metric))[self._row]

    def code(self, metric: str) -> Floats:
        return self._round.read(("code", metric), lambda: self._round.code(metric))[self._row]

    def age(self, metric: str) -> Floats:
        return self._round.read(("age", metric), lambda: self._round.age(metric))[self._row]

    def window(self, metric: str, size_s: float, function: str) -> Floats:
        return self._round.read(
            (metric, size_s, function), lambda: self._round.window(metric, size_s, function)
        )[self._row]


class DeviceSight:
    """What the scalar form reads: one device at one row. Windows are found once for all rules."""

    __slots__ = ("_catalogue", "_device", "_known", "_windows")

    def __init__(self, catalogue: Catalogue, windows: SharedWindows, device: int) -> None:
        self._catalogue = catalogue
        self._windows = windows
        self._device = device
        self._known: dict[tuple[str, float, str], float] = {}

    def number(self, metric: str) -> float:
        series = self._catalogue.by_device(metric).values.item(self._device)
        if self._catalogue.has_texts(metric) and self._catalogue.kind.values[series] == Kind.TEXT:
            return np.nan
        return self._catalogue.newest_value.values.item(series)

    def code(self, metric: str) -> float:
        series = self._catalogue.by_device(metric).values.item(self._device)
        text = self._catalogue.kind.values[series] == Kind.TEXT
        return self._catalogue.newest_value.values.item(series) if text else np.nan

    def age(self, metric: str) -> float:
        series = self._catalogue.by_device(metric).values.item(self._device)
        if series < 0:
            return np.nan
        time = self._catalogue.newest_time.values.item(series)
        age = max(self._catalogue.watermark.values.item(self._device) - time, 0.0)
        return age if np.isfinite(time) else np.nan

    def window(self, metric: str, size_s: float, function: str) -> float:
        key = (metric, size_s, function)
        found = self._known.get(key)
        if found is None:
            device = np.array([self._device], np.int32)
            here = RoundSight(self._catalogue, self._windows, device)
            found = self._known[key] = here.window(metric, size_s, function).item()
        return found
