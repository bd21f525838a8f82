"""What a backtest needs: of which series, from when on, from which files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.request import BacktestRequest
from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.downtime import Downtime
from tocsin.ingest.frames import Column
from tocsin.ingest.geo.fixes import QUALITY
from tocsin.ingest.geo.zone_set import ZoneSet
from tocsin.ingest.outcome import Readings
from tocsin.ingest.rules.functions import MAX_WINDOW_S
from tocsin.ingest.rules.suggestion import did_you_mean
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate
from tocsin.ingest.storage.history.history import RawFiles

MAX_READINGS = 20_000_000
"""Of one backtest: about a minute of one core. What takes longer nobody waits for."""

MAX_SPAN_S = 7 * 86_400.0
"""Of one backtest: raw readings are kept for a week."""

WARM_UP_S = 3600.0
"""Before the start readings are taken in for so long at least, longer where a window is."""


class RangeError(ValueError):
    """A range that cannot be looked at. `field` is `from` or `to`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Scope:
    """The series that `rules` depend on: their ids in the catalogue, in ascending order.

    `since` is where the warm-up begins, [start, end) the time to look at. `expected` are devices
    that have to be there, where a rule asks for ages, by when they are expected.
    """

    rules: Sequence[CheckedRule]
    series: NDArray[np.intp]
    since: float
    start: float
    end: float
    expected: Mapping[int, float]


def scope_of(
    rules: Sequence[CheckedRule],
    catalogue: Catalogue,
    start: float,
    end: float,
    expected: Mapping[int, float],
) -> Scope:
    """What a backtest of `rules` over [start, end) has to read.

    Raises RangeError; RuleError for a rule that is for no known device, or that reads a metric
    none of its devices has.
    """
    if not start < end:
        raise RangeError("from", "is not before 'to'; expected an earlier time")
    if end - start > MAX_SPAN_S:
        raise RangeError(
            "from",
            f"is {(end - start) / 86_400:.1f} days before 'to'; expected at most"
            f" {MAX_SPAN_S / 86_400:.0f}, which is how long readings are kept",
        )
    count = catalogue.series_count
    device, metric = catalogue.device.values[:count], catalogue.metric.values[:count]
    wanted = np.zeros(count, np.bool_)
    for rule in rules:
        tags = catalogue.tags
        covered = np.array(
            [rule.devices.matches(n, tags.of(i)) for i, n in enumerate(catalogue.devices)], np.bool_
        )
        if not covered.any():
            raise RuleError("devices", _no_device(rule, catalogue))
        here = covered[device]
        present: list[int] = np.unique(metric[here]).tolist()
        known = {catalogue.metrics[each] for each in present}
        validate(rule.rule, known_metrics=known)
        if not rule.clocked:  # else any reading of the device may turn it
            names = (*rule.metrics, *rule.shown, *(QUALITY if rule.positioned else ()))
            read = [name in names for name in catalogue.metrics]
            here &= np.array(read, np.bool_)[metric]
        wanted |= here
    warm_up_s = max((size_s for rule in rules for _, size_s in rule.windows), default=0.0)
    if any(rule.sessions for rule in rules):
        warm_up_s = MAX_WINDOW_S  # where a session begins is not known before
    since = start - max(warm_up_s, WARM_UP_S)
    missed = {
        device: at
        for device, at in expected.items()
        if any(
            rule.clocked
            and rule.devices.matches(catalogue.devices[device], catalogue.tags.of(device))
            for rule in rules
        )
    }
    return Scope(rules, np.flatnonzero(wanted), since, start, end, missed)


def request_of(
    scope: Scope,
    catalogue: Catalogue,
    files: RawFiles,
    unsaved: Readings,
    flaps: FlapLimits,
    zones: ZoneSet,
    downtime: Downtime,
) -> tuple[BacktestRequest, list[Column]]:
    """What the worker is asked, and its columns. `unsaved` are readings that `files` lack."""
    series = scope.series
    of_series = catalogue.device.values[series]
    devices = np.union1d(of_series, np.array(list(scope.expected), np.int32))
    device = np.searchsorted(devices, of_series)
    metrics, metric = np.unique(catalogue.metric.values[series], return_inverse=True)
    kind = catalogue.kind.values[series]
    place = np.full(catalogue.series_count, -1, np.int32)
    place[series] = np.arange(len(series), dtype=np.int32)
    mine = place[unsaved.series]
    some = (mine >= 0) & (unsaved.arrival >= scope.since) & (unsaved.arrival < scope.end)
    request = BacktestRequest(
        folder=files.folder,
        files=files.paths,
        older=files.older,
        without_arrival=files.without_arrival,
        rules=[checked.rule for checked in scope.rules],
        devices=[catalogue.devices[each] for each in devices.tolist()],
        metrics=[catalogue.metrics[each] for each in metrics.tolist()],
        texts=catalogue.texts if (kind == Kind.TEXT).any() else [],
        since=scope.since,
        start=scope.start,
        end=scope.end,
        max_readings=MAX_READINGS,
        flaps=flaps,
        timezone=catalogue.site.timezone,
        max_speeds_kmh=[catalogue.profiles[each].max_speed_kmh for each in devices.tolist()],
        counters=[catalogue.profiles[each].counters for each in devices.tolist()],
        zones=zones.versions(scope.since, scope.end),
        tags=[dict(catalogue.tags.of(each)) for each in devices.tolist()],
        limits=[dict(catalogue.tags.limits_of(each)) for each in devices.tolist()],
        fields=[dict(catalogue.tags.fields_of(each)) for each in devices.tolist()],
        away=downtime.before(scope.end),
        expected=[(catalogue.devices[each], at) for each, at in scope.expected.items()],
    )
    columns: list[Column] = [
        device.astype(np.int32),
        metric.astype(np.int32),
        kind.copy(),
        catalogue.derived.values[series] != 0,
        mine[some],
        unsaved.time[some],
        unsaved.value[some],
        unsaved.late[some],
        unsaved.arrival[some],
        unsaved.row[some].astype(np.int32),
    ]
    return request, columns


def _no_device(rule: CheckedRule, catalogue: Catalogue) -> str:
    text = rule.devices.glob.text
    if rule.devices.tags and any(map(rule.devices.glob.matches, catalogue.devices)):
        return f"no device here matches {str(rule.devices)[:200]!r}; expected one with these tags"
    hint = did_you_mean(text, catalogue.devices) if len(catalogue.devices) <= 1000 else ""
    return f"no device here is called {text[:64]!r}; expected one that has sent something{hint}"
