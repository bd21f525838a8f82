"""What waits for the worker of functions: readings as columns, and transitions of alerts."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.alerts.alert import NOT_STORED, STORED, Alert
from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.frames import Column
from tocsin.ingest.functions.protocol import Batch, Described
from tocsin.ingest.functions.registration import AlertSeen
from tocsin.ingest.functions.settings import FunctionSettings
from tocsin.ingest.growing import Growing
from tocsin.ingest.outcome import Readings
from tocsin.ingest.rules.device_glob import DeviceGlob

BY = "function "
"""Before a function's name, where it is who commented."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Readings of some functions' devices; `row` counts messages from 0."""

    series: NDArray[np.int32]
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    late: NDArray[np.bool_]
    row: NDArray[np.int32]


class FunctionQueue:
    """State: what waits, oldest first; which series somebody wants; what was dropped.

    Policy drop_oldest: what a function never saw is counted, and nobody waits for a function.
    """

    def __init__(self, settings: FunctionSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._parts: deque[_Part] = deque()
        self._alerts: deque[Alert] = deque()
        self._globs: list[DeviceGlob] = []
        self._wanted = Growing[np.bool_](np.bool_, False)
        self._known = 0
        self._hears_alerts = False
        self.readings = 0
        self.dropped_readings = 0
        self.dropped_alerts = 0

    @property
    def alerts(self) -> int:
        return len(self._alerts)

    @property
    def wants_readings(self) -> bool:
        return bool(self._globs)

    def want(self, functions: Sequence[Described]) -> None:
        """From now on these functions are fed."""
        self._globs = [DeviceGlob(each.devices) for each in functions if each.kind != "alert"]
        self._hears_alerts = any(each.kind == "alert" for each in functions)
        self._wanted = Growing[np.bool_](np.bool_, False)
        self._known = 0
        if not self._globs:
            self._parts.clear()
            self.readings = 0

    def put_readings(self, readings: Readings) -> None:
        """Readings of devices, not those that functions made: nothing feeds back."""
        if not self._globs:
            return
        self._look_at_new_series()
        series = readings.series
        derived = self._catalogue.derived.values.take(series).astype(np.bool_)
        mine = self._wanted.values.take(series) & ~derived
        if not mine.any():
            return
        arrival, row, device = (
            readings.arrival[mine],
            readings.row[mine],
            self._catalogue.device.values.take(series[mine]),
        )
        begins = np.ones(len(row), np.bool_)
        begins[1:] = (
            (arrival[1:] != arrival[:-1]) | (row[1:] != row[:-1]) | (device[1:] != device[:-1])
        )
        number = (np.cumsum(begins) - 1).astype(np.int32)
        self._parts.append(
            _Part(
                series[mine], readings.time[mine], readings.value[mine], readings.late[mine], number
            )
        )
        self.readings += len(number)
        while self.readings > self._settings.queue_readings and self._parts:
            oldest = len(self._parts.popleft().series)
            self.readings -= oldest
            self.dropped_readings += oldest

    def put_alerts(self, alerts: Sequence[Alert]) -> None:
        """Transitions of alerts, but for comments of functions, and marks of what is on disk."""
        if not self._hears_alerts:
            return
        for alert in alerts:
            cause = alert.cause
            if cause and (cause.by.startswith(BY) or cause.event in (STORED, NOT_STORED)):
                continue
            self._alerts.append(alert)
            if len(self._alerts) > self._settings.queue_alerts:
                self._alerts.popleft()
                self.dropped_alerts += 1

    def take_alerts(self) -> list[msgspec.Raw]:
        """All that wait, as functions see them, encoded."""
        taken = [msgspec.Raw(msgspec.msgpack.encode(_seen(alert))) for alert in self._alerts]
        self._alerts.clear()
        return taken

    def take_readings(self) -> list[_Part]:
        """As many as one batch takes, at least one part."""
        parts: list[_Part] = []
        count = 0
        while self._parts and (
            not parts or count + len(self._parts[0].series) <= self._settings.batch_readings
        ):
            parts.append(self._parts.popleft())
            count += len(parts[-1].series)
        self.readings -= count
        return parts

    def batch(
        self, parts: Sequence[_Part], functions: list[str], told: set[int]
    ) -> tuple[Batch, list[Column]]:
        """What the worker is sent, which was told of some series' names before."""
        catalogue = self._catalogue
        before = 0
        rows: list[NDArray[np.int32]] = []
        for part in parts:
            rows.append(part.row + np.int32(before))
            before += int(part.row[-1]) + 1
        series = np.concatenate([part.series for part in parts])
        value = np.concatenate([part.value for part in parts])
        kind = catalogue.kind.values.take(series).astype(np.int8)
        texts = {
            place: catalogue.texts[int(value[place])]
            for place in np.flatnonzero(kind == Kind.TEXT).tolist()
        }
        new = [each for each in np.unique(series).tolist() if each not in told]
        told.update(new)
        names = [(each, *catalogue.name_of(each)) for each in new]
        columns: list[Column] = [
            series,
            np.concatenate([part.time for part in parts]),
            value,
            kind,
            np.concatenate([part.late for part in parts]).astype(np.int8),
            np.concatenate(rows).astype(np.int32),
        ]
        return Batch(functions, names, texts), columns

    def _look_at_new_series(self) -> None:
        catalogue = self._catalogue
        count = catalogue.series_count
        if count == self._known:
            return
        self._wanted.reach(count)
        for series in range(self._known, count):
            name = catalogue.devices[catalogue.device.values.item(series)]
            self._wanted.values[series] = any(glob.matches(name) for glob in self._globs)
        self._known = count


def _seen(alert: Alert) -> AlertSeen:
    return AlertSeen(
        id=alert.id,
        rule=alert.rule,
        subject=alert.subject,
        device=alert.device,
        severity=alert.severity,
        state=str(alert.state),
        active=alert.active,
        acknowledged=alert.acknowledged,
        value=alert.value,
        message=alert.message,
        event=str(alert.cause.event) if alert.cause else "",
        began_at=alert.began_at,
        raised_at=alert.raised_at,
        cleared_at=alert.cleared_at,
        revision=alert.revision,
    )
