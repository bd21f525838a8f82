"""What windows of a metric came to: asked of history and of what is on its way there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.frames import Column
from tocsin.ingest.outcome import Readings
from tocsin.ingest.storage.history.history import History
from tocsin.ingest.storage.history.requests import Gaps, Grid, WindowsQuery
from tocsin.ingest.windows.results import Results
from tocsin.ingest.workers import Workers

MOST_WINDOWS = 1_000
MIN_SIZE_S, MAX_SIZE_S = 1.0, 86_400.0
MOST_HOPS = 60
MOST_MEMBERS = 1_000
MOST_READINGS = 2_000_000
"""Of the windows that are asked for: 2 s and 0.5 to 0.8 GB of a worker."""
MOST_TAKEN = 10_000_000
"""Readings, each as often as there are windows that it is in: seconds of a worker."""


@dataclass(frozen=True, slots=True)
class Hops:
    """Windows of `size_s` that begin at each multiple of `hop_s`: tumbling if they are equal.

    Raises ValueError for a size or a hop that cannot be.
    """

    size_s: float
    hop_s: float

    def __post_init__(self) -> None:
        _check("size", self.size_s)
        _check("hop", self.hop_s)
        if not 1 <= self.panes <= MOST_HOPS or abs(self.panes * self.hop_s - self.size_s) > 1e-6:
            raise ValueError(
                f"hop {self.hop_s:g} s; expected the size, {self.size_s:g} s, or the size divided"
                f" by a whole number up to {MOST_HOPS}"
            )

    @property
    def panes(self) -> int:
        return round(self.size_s / self.hop_s)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Sessions, which end when nothing came for `gap_s`.

    Raises ValueError for a gap that cannot be.
    """

    gap_s: float

    def __post_init__(self) -> None:
        _check("gap", self.gap_s)


@dataclass(frozen=True, slots=True)
class Group:
    """The devices that have a tag of a value now, or those of the profile that is for `profile`."""

    tag: tuple[str, str] | None = None
    profile: str | None = None

    def __str__(self) -> str:
        return (
            f"profile {self.profile!r}" if self.tag is None else "tag {!r} = {!r}".format(*self.tag)
        )

    def members(self, catalogue: Catalogue) -> list[int]:
        if self.tag is not None:
            name, value = self.tag
            return [
                device
                for device in range(len(catalogue.devices))
                if catalogue.tags.of(device).get(name) == value
            ]
        return [
            device
            for device, profile in enumerate(catalogue.profiles)
            if profile.devices == self.profile
        ]


class WindowResults:
    """Owns nothing; `read` takes history's files and `unsaved` in one turn of the loop."""

    def __init__(self, catalogue: Catalogue, history: History, workers: Workers) -> None:
        self._catalogue = catalogue
        self._history = history
        self._workers = workers

    async def read(
        self,
        of: str | Group,
        metric: str,
        windows: Hops | Pauses,
        start: float,
        end: float,
        unsaved: Readings,
    ) -> Results:
        """The closed windows that begin in [start, end), but for those whose readings are not kept
        any more: of a device, or of all devices of a group together.

        Raises KeyError if none has the metric, ValueError for one of texts, a range that
        cannot be, a session longer than a day, more than `MOST_MEMBERS` devices, and for too many
        readings; WorkerError.
        """
        catalogue = self._catalogue
        if isinstance(of, Group):
            members = of.members(catalogue)
        else:
            number = catalogue.device_id(of)
            members = [] if number is None else [number]
        devices = [each for each in members if catalogue.series_id(each, metric) is not None]
        if not devices:
            raise KeyError(f"{of}/{metric}")
        if len(devices) > MOST_MEMBERS:
            raise ValueError(f"{of} has {len(devices)} devices; expected at most {MOST_MEMBERS}")
        return await self._together(devices, metric, windows, start, end, unsaved)

    async def _together(
        self,
        devices: Sequence[int],
        metric: str,
        windows: Hops | Pauses,
        start: float,
        end: float,
        unsaved: Readings,
    ) -> Results:
        """As `read`, of devices that all have the metric."""
        catalogue = self._catalogue
        series = [catalogue.series_id(device, metric) for device in devices]
        if any(each is not None and catalogue.is_text(each) for each in series):
            raise ValueError(f"metric {metric!r} is a text; expected a number or a boolean")
        most = MOST_READINGS
        if isinstance(windows, Hops):
            shape = _grid(windows, start, end, self._history.raw_until)
            start_us = shape.start_us
            end_us = start_us + (shape.count - 1 + shape.panes) * shape.hop_us
            most = min(most, MOST_TAKEN // shape.panes)
        else:
            shape = _gaps(windows, start, end, self._history.raw_until)
            start_us = shape.since_us - shape.gap_us
            end_us = shape.until_us + round(MAX_SIZE_S * 1e6)
        columns = _waiting(unsaved, catalogue, devices, metric, start_us)
        with self._history.raw_since(start_us / 1e6) as files:
            readings, found = await self._workers.call(
                "history.windows",
                WindowsQuery(
                    folder=files.folder,
                    raw=files.paths,
                    without_arrival=files.without_arrival,
                    devices=[catalogue.devices[device] for device in devices],
                    metric=metric,
                    start_us=start_us,
                    end_us=end_us,
                    most=most,
                    most_windows=MOST_WINDOWS + 1,
                    shape=shape,
                ),
                int,
                columns=columns,
            )
        if not found:
            raise ValueError(f"the range has {readings} readings or more; expected a shorter one")
        results = Results.of_columns(found)
        if isinstance(windows, Pauses):
            _check_sessions(results, windows)
        return results


def _check(name: str, value_s: float) -> None:
    if not MIN_SIZE_S <= value_s <= MAX_SIZE_S:
        raise ValueError(f"{name} {value_s:g} s; expected {MIN_SIZE_S:g} s to {MAX_SIZE_S:g} s")


def _grid(windows: Hops, start: float, end: float, raw_until: float) -> Grid:
    """Raises ValueError if it has too many windows."""
    hop_s = windows.hop_s
    first = math.ceil(max(start, 0.0) / hop_s - 1e-9)
    first = max(first, math.ceil(raw_until / hop_s))
    count = max(math.ceil(end / hop_s - 1e-9) - first, 0)
    if count > MOST_WINDOWS:
        raise ValueError(f"the range has {count} windows; expected at most {MOST_WINDOWS}")
    hop_us = round(hop_s * 1e6)
    return Grid(first * hop_us, hop_us, windows.panes, count)


def _gaps(windows: Pauses, start: float, end: float, raw_until: float) -> Gaps:
    gap_us = round(windows.gap_s * 1e6)
    since_us = round(max(start, 0.0) * 1e6)
    if raw_until > 0:
        # What began up to a gap later may have had readings that are gone.
        since_us = max(since_us, math.ceil(raw_until * 1e6) + gap_us)
    since_us = max(since_us, gap_us)
    return Gaps(gap_us, since_us, max(since_us, round(end * 1e6)))


def _check_sessions(results: Results, windows: Pauses) -> None:
    longest_s = float(np.max(results.end - results.start, initial=0)) / 1e6
    if longest_s > MAX_SIZE_S:
        raise ValueError(
            f"gap {windows.gap_s:g} s makes a session of {longest_s:g} s or longer; expected"
            f" sessions of at most {MAX_SIZE_S:g} s"
        )
    if len(results.start) > MOST_WINDOWS:
        raise ValueError(f"the range has more than {MOST_WINDOWS} sessions; expected a shorter one")


def _waiting(
    unsaved: Readings, catalogue: Catalogue, devices: Sequence[int], metric: str, start_us: int
) -> list[Column]:
    """Of readings that are in no file: those of the metric, then the times of all."""
    judged_us = _microseconds(np.minimum(unsaved.time, unsaved.arrival))
    arrival_us = _microseconds(unsaved.arrival)
    place_of = np.full(len(catalogue.devices), -1)
    place_of[list(devices)] = np.arange(len(devices))
    place = place_of[catalogue.device.values[unsaved.series]]
    mine = (place >= 0) & ~unsaved.late & (judged_us >= start_us)
    series = [catalogue.series_id(device, metric) for device in devices]
    own = mine & np.isin(unsaved.series, [each for each in series if each is not None])
    return [
        place[own],
        judged_us[own],
        np.ascontiguousarray(unsaved.value[own]),
        arrival_us[own],
        unsaved.row[own].astype(np.int64),
        place[mine],
        judged_us[mine],
        arrival_us[mine],
    ]


def _microseconds(time: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(time * 1e6).astype(np.int64)
