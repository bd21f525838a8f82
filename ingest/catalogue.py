"""Which devices and series there are, and the newest of each.

Devices, metrics and series (device × metric) are numbered in the order in which they appeared
and never forgotten, so an id is a row of every array here and stays one across restarts.
"""

from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.devices.formats.row import Value
from tocsin.devices.profile import Profile
from tocsin.ingest.growing import Growing
from tocsin.ingest.settings import Settings
from tocsin.ingest.site_time import SiteTime
from tocsin.ingest.tags import TagBook


class Kind(IntEnum):
    """What the values of a series are. Booleans are kept as 0 and 1, texts as their code."""

    NUMBER = 0
    BOOLEAN = 1
    TEXT = 2


# A member looked up in its enum costs ten times what a global does; devices are shown often.
_NUMBER, _BOOLEAN, _TEXT = int(Kind.NUMBER), int(Kind.BOOLEAN), int(Kind.TEXT)


class Refused(ValueError):
    """Something over a cap, or of another kind than its series: what, the value, why."""


class Catalogue:
    """State: the registries, the newest reading of each series, the counters of each device.

    Arrays by device: `watermark` (newest event time, never ahead of its arrival), `heard` (when it
    last said something new, engine time), `lateness_s`, `messages`, `readings`,
    `late`, `duplicates`, `rejected`, `future` (all but `messages` and `rejected` count
    readings), `latitude`, `longitude`.
    Arrays by series: `device`, `metric`, `kind`, `newest_time` (as `watermark`), `newest_value`,
    `count`, `ahead_until` (newest event time that was ahead of its arrival), `derived` (1 while
    only users' functions made it, and its device never sent it), `counter` (its profile says so).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.devices: list[str] = []
        self.metrics: list[str] = []
        self.texts: list[str] = []
        self.profiles: list[Profile] = []
        self._device_ids: dict[str, int] = {}
        self._metric_ids: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._series_of: list[dict[str, int]] = []  # by device: metric name → series
        self._texts_of: dict[int, set[int]] = {}  # by series: the codes it uses
        self._columns: dict[str, Growing[np.int32]] = {}
        self._text_metrics: set[str] = set()
        self.series_count = 0
        self.tags = TagBook(self._codes.get)
        self.site = SiteTime(settings.timezone)  # what rules see of the hour; set by the pipeline

        self.watermark = Growing[np.float64](np.float64, -np.inf)
        self.heard = Growing[np.float64](np.float64, np.nan)
        self.lateness_s = Growing[np.float64](np.float64, 0.0)
        self.messages = Growing[np.int64](np.int64, 0)
        self.readings = Growing[np.int64](np.int64, 0)
        self.late = Growing[np.int64](np.int64, 0)
        self.duplicates = Growing[np.int64](np.int64, 0)
        self.rejected = Growing[np.int64](np.int64, 0)
        self.future = Growing[np.int64](np.int64, 0)
        self.latitude = Growing[np.float64](np.float64, np.nan)
        self.longitude = Growing[np.float64](np.float64, np.nan)

        # By device: the event time from which ages count at the earliest (absence.Absence).
        self.age_from = Growing[np.float64](np.float64, -np.inf)
        self.device = Growing[np.int32](np.int32, -1)
        self.metric = Growing[np.int32](np.int32, -1)
        self.kind = Growing[np.int8](np.int8, Kind.NUMBER)
        self.newest_time = Growing[np.float64](np.float64, -np.inf)
        self.newest_value = Growing[np.float64](np.float64, np.nan)
        self.count = Growing[np.int64](np.int64, 0)
        self.ahead_until = Growing[np.float64](np.float64, -np.inf)
        self.derived = Growing[np.int8](np.int8, 0)
        self.counter = Growing[np.bool_](np.bool_, False)
        self._counters = {each for profile in settings.profiles for each in profile.counters}

    def device_id(self, name: str) -> int | None:
        return self._device_ids.get(name)

    def metric_id(self, name: str) -> int:
        """The id of a metric's name, -1 if nothing has brought it yet."""
        return self._metric_ids.get(name, -1)

    def series_id(self, device: int, metric: str) -> int | None:
        return self._series_of[device].get(metric)

    def series_of(self, device: int) -> dict[str, int]:
        """Metric name → newest series of a device, in order of appearance. Not to be changed."""
        return self._series_of[device]

    def name_of(self, series: int) -> tuple[str, str]:
        """Device id and metric name of a series."""
        device, metric = int(self.device.values[series]), int(self.metric.values[series])
        return self.devices[device], self.metrics[metric]

    def decoded(self, series: int, value: float) -> Value:
        """A value as the device sent it: `value` is what the columns hold."""
        kind = self.kind.values.item(series)
        if kind == _NUMBER:
            return value
        return bool(value) if kind == _BOOLEAN else self.texts[int(value)]

    def newest(self, series: int) -> tuple[float, Value]:
        """Event time and value of the newest reading of a series that has one."""
        at, value = self.newest_time.values.item(series), self.newest_value.values.item(series)
        return at, self.decoded(series, value)

    def has_texts(self, metric: str) -> bool:
        """Whether some series of a metric is of texts."""
        return metric in self._text_metrics

    def by_device(self, metric: str) -> Growing[np.int32]:
        """The newest series of a metric by device, -1 where it has none; kept up to date."""
        column = self._columns.get(metric)
        if column is None:
            column = self._columns[metric] = Growing[np.int32](np.int32, -1)
            column.reach(len(self.devices))
            here = self.metric.values[: self.series_count] == self._metric_ids.get(metric, -1)
            owned = np.flatnonzero(here)
            column.values[self.device.values[owned]] = owned
        return column

    def admit_device(self, name: str) -> int:
        """The id of a device, new or known. Raises Refused at the cap."""
        known = self._device_ids.get(name)
        if known is not None:
            return known
        if len(self.devices) >= self._settings.caps.devices:
            raise Refused(f"device {name!r} is one too many; the cap is {len(self.devices)}")
        device = len(self.devices)
        self._device_ids[name] = device
        self.devices.append(name)
        self._series_of.append({})
        for column in self._device_columns().values():
            column.reach(device + 1)
        self.age_from.reach(device + 1)
        for column in self._columns.values():
            column.reach(device + 1)
        self._apply_profile(device)
        self.tags.admit(device, name)
        return device

    def admit_metric(self, name: str) -> int:
        """The id of a metric's name, new or known. Series and rules bring them, both capped."""
        metric = self._metric_ids.get(name)
        if metric is None:
            metric = self._metric_ids[name] = len(self.metrics)
            self.metrics.append(name)
        return metric

    def admit_series(self, device: int, name: str, kind: Kind) -> int:
        """The series of a device's metric, new or known, fit for a value of `kind`.

        A number is stronger than what was before: a sensor that said "ERR" or `true` first and
        then numbers is a number, so that its alarms work. Booleans fit into numbers. Texts do not:
        the numbers after them are another series of the same name, in whose windows and history
        no code of a text is.
        Raises Refused at a cap, or if the value is of another kind.
        """
        series = self._series_of[device].get(name)
        if series is None:
            return self._new_series(device, name, kind)
        have = self.kind.values[series]
        if have != kind and not (have == Kind.NUMBER and kind == Kind.BOOLEAN):
            if kind != Kind.NUMBER:
                raise Refused(
                    f"metric {name!r} is a {kind.name.lower()} here; "
                    f"expected a {Kind(have).name.lower()} as before"
                )
            if have == Kind.TEXT:
                return self._new_series(device, name, kind)
            self.kind.values[series] = kind
        return series

    def admit_value(self, device: int, name: str, value: Value) -> tuple[int, float]:
        """The series of a value, and what the columns hold of it. Raises Refused."""
        if isinstance(value, str):
            series = self.admit_series(device, name, Kind.TEXT)
            return series, self.admit_text(series, value)
        kind = Kind.BOOLEAN if isinstance(value, bool) else Kind.NUMBER
        return self.admit_series(device, name, kind), float(value)

    def is_text(self, series: int) -> bool:
        """Whether the values of a series are texts. They are or they are not, always."""
        return self.kind.values.item(series) == _TEXT

    def admit_text(self, series: int, text: str) -> int:
        """The code of a text in a series. Raises Refused at a cap."""
        used = self._texts_of.setdefault(series, set())
        code = self._codes.get(text)
        if code is not None and code in used:
            return code
        caps = self._settings.caps
        if len(used) >= caps.strings_per_series or (
            code is None and len(self.texts) >= caps.strings
        ):
            _, metric = self.name_of(series)
            raise Refused(f"metric {metric!r} has too many distinct texts; the cap is {len(used)}")
        code = self.code_of(text)
        used.add(code)
        return code

    def code_of(self, text: str) -> int:
        """The code of a text that a rule compares with, new or known."""
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code

    def _new_series(self, device: int, name: str, kind: Kind) -> int:
        caps = self._settings.caps
        owned = self._series_of[device]
        if name not in owned and len(owned) >= caps.metrics_per_device:
            raise Refused(f"metric {name!r} is one too many; a device may have {len(owned)}")
        if self.series_count >= caps.series:
            raise Refused(f"metric {name!r} is one series too many; the cap is {self.series_count}")
        series = self.series_count
        self.series_count += 1
        owned[name] = series
        metric = self.admit_metric(name)
        for column in self._series_columns().values():
            column.reach(series + 1)
        self.counter.reach(series + 1)
        self.counter.values[series] = self.profiles[device].counts(name)
        self.device.values[series] = device
        self.metric.values[series] = metric
        self.kind.values[series] = kind
        if kind == Kind.TEXT:
            self._text_metrics.add(name)
        if name in self._columns:
            self._columns[name].values[device] = series
        return series

    def may_count(self, metric: str) -> bool:
        """Whether the profile of some device may say that a metric is a counter."""
        return any(fnmatchcase(metric, each) for each in self._counters)

    def counts(self, series: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which series are counters."""
        return self.counter.values.take(series)

    def lateness(self, series: int) -> float:
        """How many seconds older than the newest of its device a reading of it may be."""
        return self.lateness_s.values.item(self.device.values.item(series))

    def describe(self, device: int, profile: Profile) -> None:
        """Say what a device without any series is, instead of the settings."""
        self.profiles[device] = profile
        self._counters.update(profile.counters)
        self.tags.describe(device, profile.table())

    def _apply_profile(self, device: int) -> None:
        profile = self._settings.profile_of(self.devices[device])
        self.profiles.append(profile)
        self.lateness_s.values[device] = profile.allowed_lateness_s

    def _device_columns(self) -> dict[str, Growing[Any]]:
        return {
            "watermark": self.watermark,
            "heard": self.heard,
            "lateness_s": self.lateness_s,
            "messages": self.messages,
            "readings": self.readings,
            "late": self.late,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "future": self.future,
            "latitude": self.latitude,
            "longitude": self.longitude,
        }

    def _series_columns(self) -> dict[str, Growing[Any]]:
        return {
            "device": self.device,
            "metric": self.metric,
            "kind": self.kind,
            "newest_time": self.newest_time,
            "newest_value": self.newest_value,
            "count": self.count,
            "ahead_until": self.ahead_until,
            "derived": self.derived,
        }

    def state(self) -> dict[str, Any]:
        """Everything a restart needs, for a snapshot."""
        return {
            "devices": self.devices,
            "metrics": self.metrics,
            "texts": self.texts,
            "texts_of": {series: sorted(codes) for series, codes in self._texts_of.items()},
            "by_device": _rows(self._device_columns(), len(self.devices)),
            "by_series": _rows(self._series_columns(), self.series_count),
            "site_at": self.site.at,
            "tags": self.tags.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from; profiles are those of the settings of today."""
        self.__init__(self._settings)
        self.site.set(state["site_at"])
        for name in state["metrics"]:
            self.admit_metric(name)
        for text in state["texts"]:
            self.code_of(text)
        self.devices = list(state["devices"])
        self._device_ids = {name: device for device, name in enumerate(self.devices)}
        self._series_of = [{} for _ in self.devices]
        self._texts_of = {int(s): set(codes) for s, codes in state["texts_of"].items()}
        for name, column in self._device_columns().items():
            column.load(state["by_device"][name])
        self.series_count = len(state["by_series"]["device"])
        for name, column in self._series_columns().items():
            column.load(state["by_series"][name])
        for device in range(len(self.devices)):
            self._apply_profile(device)
        self.counter.reach(self.series_count)
        self.tags.load(state["tags"], self.devices)
        owners: list[int] = self.device.values[: self.series_count].tolist()
        metrics: list[int] = self.metric.values[: self.series_count].tolist()
        for series, (device, metric) in enumerate(zip(owners, metrics, strict=True)):
            name = self.metrics[metric]
            self._series_of[device][name] = series
            self.counter.values[series] = self.profiles[device].counts(name)
            if self.kind.values[series] == Kind.TEXT:
                self._text_metrics.add(name)


def _rows(columns: dict[str, Growing[Any]], length: int) -> dict[str, NDArray[Any]]:
    return {name: column.values[:length] for name, column in columns.items()}
