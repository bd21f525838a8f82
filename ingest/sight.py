"""What rules see when a row is judged: the newest readings and windows of its device, as of then.

Hot path (benchmarks/pipeline.py).
"""

from collections.abc import Callable, Hashable
from math import isfinite, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.geo.whereabouts import Whereabouts
from tocsin.ingest.rules.calm import Anchor
from tocsin.ingest.rules.compiled import Place, Tag, Use
from tocsin.ingest.rules.vector import Floats
from tocsin.ingest.site_time import Dial
from tocsin.ingest.windows.shared import Kept, SharedWindows
from tocsin.ingest.windows.trace import GROWTH

Ids = NDArray[np.int32]
Places = NDArray[np.intp]


class RoundSight:
    """What the vector form reads of the rows of one round; found once for all groups."""

    def __init__(
        self, catalogue: Catalogue, windows: SharedWindows, whereabouts: Whereabouts, device: Ids
    ) -> None:
        self._catalogue = catalogue
        self._windows = windows
        self._whereabouts = whereabouts
        self.device = device
        self._known: dict[Hashable, Floats] = {}
        self._alone: dict[int, DeviceSight] = {}

    def alone(self, row: int) -> "DeviceSight":
        """What the scalar form reads of a row; the same for all who ask."""
        found = self._alone.get(row)
        if found is None:
            found = self._alone[row] = DeviceSight(
                self._catalogue, self._windows, self._whereabouts, self.device.item(row)
            )
        return found

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
        since = np.maximum(time, self._catalogue.age_from.values[self.device])
        age = np.maximum(self._catalogue.watermark.values[self.device] - since, 0.0)
        return np.where(np.isfinite(time), age, np.nan)

    def site(self, dial: Dial) -> Floats:
        return np.full(1, self._catalogue.site.read(dial))

    def window(self, use: Use) -> Floats:
        series = self.series(use.metric)
        found = self._windows.query(use, series)
        if use.function == "count":
            return found
        if isinstance(use.state, str):
            text = self._catalogue.kind.values[series] == Kind.TEXT
            return np.where(text, found, np.nan)
        return self.unless_text(use.metric, series, found)

    def place(self, place: Place) -> Floats:
        return self._whereabouts.of(place, self.device)

    def tag(self, tag: Tag) -> Floats:
        return self._catalogue.tags.column(*tag).values[self.device]

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

    def site(self, dial: Dial) -> Floats:
        return self._round.site(dial)

    def window(self, use: Use) -> Floats:
        return self._round.read(use, lambda: self._round.window(use))[self._row]

    def place(self, place: Place) -> Floats:
        return self._round.read(place, lambda: self._round.place(place))[self._row]

    def tag(self, tag: Tag) -> Floats:
        return self._round.read(tag, lambda: self._round.tag(tag))[self._row]


class DeviceSight:
    """What the scalar form reads: one device at one row; found once for all rules."""

    __slots__ = ("_catalogue", "_device", "_extremes", "_known", "_whereabouts", "_windows")

    def __init__(
        self, catalogue: Catalogue, windows: SharedWindows, whereabouts: Whereabouts, device: int
    ) -> None:
        self._catalogue = catalogue
        self._windows = windows
        self._whereabouts = whereabouts
        self._device = device
        self._known: dict[str | Use | Place, float] = {}
        self._extremes: dict[tuple[Kept, bool], tuple[float, float]] = {}

    def number(self, metric: str) -> float:
        found = self._known.get(metric)
        if found is None:
            catalogue = self._catalogue
            series = self._series(metric)
            text = self._of_texts(metric, series)
            found = self._known[metric] = (
                nan if text else catalogue.newest_value.values.item(series)
            )
        return found

    def code(self, metric: str) -> float:
        catalogue = self._catalogue
        series = self._series(metric)
        return catalogue.newest_value.values.item(series) if self._of_texts(metric, series) else nan

    def age(self, metric: str) -> float:
        series = self._series(metric)
        time = self._catalogue.newest_time.values.item(series)
        since = max(time, self._catalogue.age_from.values.item(self._device))
        age = max(self._catalogue.watermark.values.item(self._device) - since, 0.0)
        return age if isfinite(time) else nan

    def site(self, dial: Dial) -> float:
        return self._catalogue.site.read(dial)

    def window(self, use: Use) -> float:
        found = self._known.get(use)
        if found is None:
            series = self._series(use.metric)
            text = self._of_texts(use.metric, series)
            fits = text is isinstance(use.state, str) or use.function == "count"
            found = self._known[use] = self._windows.query_one(use, series) if fits else nan
        return found

    def place(self, place: Place) -> float:
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._whereabouts.of_one(place, self._device)
        return found

    def tag(self, tag: Tag) -> float:
        return self._catalogue.tags.column(*tag).values.item(self._device)

    def newest(self, metric: str) -> tuple[int, float, float]:
        """Series, event time and value of the newest reading, as it lies in its column."""
        series, catalogue = self._series(metric), self._catalogue
        time = catalogue.newest_time.values.item(series)
        return series, time, catalogue.newest_value.values.item(series)

    def is_text(self, metric: str) -> bool:
        return self._of_texts(metric, self._series(metric))

    def beside(self, use: Use, function: Literal["min", "max"]) -> float:
        key = self._windows.beside(use), use.function in GROWTH
        found = self._extremes.get(key)
        if found is None:
            found = self._extremes[key] = self._windows.extremes(use, self._series(use.metric))
        return found[function == "max"]

    def anchor(self, use: Use) -> Anchor | None:
        return self._windows.anchor_one(use, self._series(use[0]))

    def _series(self, metric: str) -> int:
        return self._catalogue.by_device(metric).values.item(self._device)

    def _of_texts(self, metric: str, series: int) -> bool:
        catalogue = self._catalogue
        return catalogue.has_texts(metric) and catalogue.kind.values.item(series) == Kind.TEXT


class SilentSight(DeviceSight):
    """A device that nothing came from for `silent_s`: ages have grown meanwhile. `waited_s`: it
    never came, and was expected for that long.
    """

    __slots__ = ("_silent_s", "_waited_s")

    def __init__(
        self,
        catalogue: Catalogue,
        windows: SharedWindows,
        whereabouts: Whereabouts,
        device: int,
        silent_s: float,
        waited_s: float | None,
    ) -> None:
        super().__init__(catalogue, windows, whereabouts, device)
        self._silent_s = silent_s
        self._waited_s = waited_s

    def age(self, metric: str) -> float:
        catalogue, device = self._catalogue, self._device
        time = catalogue.newest_time.values.item(self._series(metric))
        if not isfinite(time):
            return nan if self._waited_s is None else self._waited_s
        since = max(time, catalogue.age_from.values.item(device))
        return max(catalogue.watermark.values.item(device) + self._silent_s - since, 0.0)
