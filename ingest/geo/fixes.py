"""Where each device is: its newest position that can be true.

A position is `lat` and `lon` of one message. One that could only be reached faster than the
device's `max_speed_kmh` is a jump: it is stored and charted, counted, and left aside, so that a
receiver's bad second neither rings nor clears. Where three in a row agree with each other, it is
the position before them that was wrong, or the device was carried, and the third counts.

    ●────●────●         ●────●     60 km/h, one jump: counted, left aside
               ✕

Each position is taken after the one before it and one at a time, in about two microseconds, however
rows were batched: a replay must come to the same numbers to the last bit.
"""

from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.geo.earth import distance_m
from tocsin.ingest.growing import Growing

Ids = NDArray[np.int32]
Places = NDArray[np.intp]
Floats = NDArray[np.float64]

ACCURACY = "accuracy_m"
"""Metric: metres around the position in which the device is. Else `hdop` is taken, times
`HDOP_M`; else the position is taken as exact."""

HDOP = "hdop"
HDOP_M = 5.0
"""Metres of a GPS receiver's error at a dilution of 1."""

POSITION = ("lat", "lon")
QUALITY = (ACCURACY, HDOP)

AGREEING = 3
"""Jumps in a row to one place that are no jump."""

MIN_SPAN_S = 1.0
"""Between the two positions a speed is of. Over less the error of positions would be the speed."""


class _Track:
    """The positions of a device that count: the newest, the one its speed is from, and the last
    jump with how many in a row there were."""

    __slots__ = (
        "accuracy_m", "at", "fastest_mps", "from_at", "from_lat", "from_lon",
        "jump_accuracy_m", "jump_at", "jump_lat", "jump_lon", "jumps", "lat", "lon",
        "speed_mps", "streak",
    )  # fmt: skip

    def __init__(self, fastest_mps: float) -> None:
        self.fastest_mps = fastest_mps
        self.lat = self.lon = self.accuracy_m = self.speed_mps = nan
        self.from_lat = self.from_lon = self.jump_lat = self.jump_lon = nan
        self.at = self.from_at = self.jump_at = -inf
        self.jump_accuracy_m = 0.0
        self.jumps = self.streak = 0

    def take(self, lat: float, lon: float, accuracy_m: float, at: float) -> None:
        """The device says that it is here, within `accuracy_m`, at event time `at`."""
        if self.at == -inf:
            self._from(lat, lon, at)
        elif not self._can_be(
            self.lat, self.lon, self.accuracy_m, self.at, lat, lon, accuracy_m, at
        ):
            agrees = self.streak > 0 and self._can_be(
                self.jump_lat, self.jump_lon, self.jump_accuracy_m, self.jump_at,
                lat, lon, accuracy_m, at,
            )  # fmt: skip
            self.streak = self.streak + 1 if agrees else 1
            if self.streak < AGREEING:
                self.jumps += 1
                self.jump_lat, self.jump_lon, self.jump_at = lat, lon, at
                self.jump_accuracy_m = accuracy_m
                return
            self._from(lat, lon, at)
        elif at - self.from_at >= MIN_SPAN_S:
            way_m = distance_m(self.from_lat, self.from_lon, lat, lon)
            speed_mps = way_m / (at - self.from_at)
            self._from(lat, lon, at)
            self.speed_mps = speed_mps
        self.streak = 0
        self.lat, self.lon, self.accuracy_m, self.at = lat, lon, accuracy_m, at

    def _from(self, lat: float, lon: float, at: float) -> None:
        self.from_lat, self.from_lon, self.from_at = lat, lon, at
        self.speed_mps = nan

    def _can_be(
        self,
        lat: float, lon: float, accuracy_m: float, at: float,
        lat2: float, lon2: float, accuracy2_m: float, at2: float,
    ) -> bool:  # fmt: skip
        way_m = distance_m(lat, lon, lat2, lon2) - accuracy_m - accuracy2_m
        return way_m <= self.fastest_mps * max(at2 - at, MIN_SPAN_S)


class Fixes:
    """State by device: the track. Columns for rules over many devices, NaN where unknown:
    `accuracy_m`, `speed_kmh`, and the catalogue's `latitude` and `longitude`.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._tracks: dict[int, _Track] = {}
        self.accuracy_m = Growing[np.float64](np.float64, nan)
        self.speed_kmh = Growing[np.float64](np.float64, nan)
        self._known = 0
        self._ids = (-1, -1, -1, -1)

    @property
    def metrics(self) -> tuple[int, int, int, int]:
        """The ids of `lat`, `lon`, `accuracy_m` and `hdop`; -1 for one that never came."""
        count = len(self._catalogue.metrics)
        if count != self._known:
            self._known = count
            lat, lon = (self._catalogue.metric_id(name) for name in POSITION)
            self._ids = (
                lat,
                lon,
                self._catalogue.metric_id(ACCURACY),
                self._catalogue.metric_id(HDOP),
            )
        return self._ids

    def take(self, row: Places, series: Ids, time: Floats, value: Floats) -> None:
        """Take in the positions among readings: `row` ascending, those of one row together."""
        lat, lon, accuracy, hdop = self.metrics
        if lat < 0 or lon < 0:
            return
        metric = self._catalogue.metric.values.take(series)
        north, east = np.flatnonzero(metric == lat), np.flatnonzero(metric == lon)
        if not len(north) or not len(east):
            return
        _, of_north, of_east = np.intersect1d(
            row[north], row[east], assume_unique=True, return_indices=True
        )
        north, east = north[of_north], east[of_east]
        radius = np.full(len(north), nan)
        for each, scale in ((hdop, HDOP_M), (accuracy, 1.0)):
            if each >= 0:
                here = np.flatnonzero(metric == each)
                found = np.searchsorted(row[here], row[north])
                found = np.minimum(found, len(here) - 1)
                if len(here):
                    same = row[here[found]] == row[north]
                    radius = np.where(same, value[here[found]] * scale, radius)
        for device, at, latitude, longitude, within_m in zip(
            self._catalogue.device.values[series[north]].tolist(),
            time[north].tolist(),
            value[north].tolist(),
            value[east].tolist(),
            radius.tolist(),
            strict=True,
        ):
            self.take_one(device, at, latitude, longitude, within_m)

    def take_row(self, device: int, at: float, values: dict[int, float]) -> None:
        """As `take`, of one row: values by the ids in `metrics`."""
        lat, lon, accuracy, hdop = self.metrics
        if lat in values and lon in values:
            within_m = values.get(accuracy, values.get(hdop, nan) * HDOP_M)
            self.take_one(device, at, values[lat], values[lon], within_m)

    def take_one(
        self, device: int, at: float, latitude: float, longitude: float, within_m: float
    ) -> None:
        """A position of a device. `within_m` is its accuracy, NaN where nothing is said of it."""
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            return
        track = self._tracks.get(device)
        if track is None:
            fastest_kmh = self._catalogue.profiles[device].max_speed_kmh
            track = self._tracks[device] = _Track(fastest_kmh / 3.6)
        # What is said to be worse than the whole Earth, or than nothing, says nothing.
        track.take(latitude, longitude, within_m if within_m >= 0 else 0.0, at)
        self._show(device, track)

    def _show(self, device: int, track: _Track) -> None:
        self._reach(device + 1)
        catalogue = self._catalogue
        catalogue.latitude.values[device] = track.lat
        catalogue.longitude.values[device] = track.lon
        self.accuracy_m.values[device] = track.accuracy_m
        self.speed_kmh.values[device] = track.speed_mps * 3.6

    def _reach(self, devices: int) -> None:
        if devices >= len(self.accuracy_m.values):
            self.accuracy_m.reach(len(self._catalogue.devices))
            self.speed_kmh.reach(len(self._catalogue.devices))

    def reach(self) -> None:
        """Have room for every device there is."""
        self._reach(len(self._catalogue.devices))

    def jumps(self, device: int) -> int:
        """How many positions of a device could not be."""
        track = self._tracks.get(device)
        return track.jumps if track else 0

    @property
    def jumps_total(self) -> int:
        return sum(track.jumps for track in self._tracks.values())

    def placed(self) -> list[int]:
        """The devices that have a position, in ascending order."""
        return sorted(self._tracks)

    # -- snapshots

    def state(self) -> list[list[Any]]:
        names = _Track.__slots__
        return [
            [device, *(getattr(track, name) for name in names)]
            for device, track in sorted(self._tracks.items())
        ]

    def load(self, state: list[list[Any]]) -> None:
        """Become what `state` was taken from; the catalogue comes before, and says how fast a
        device can be now."""
        self.__init__(self._catalogue)
        for device, *values in state:
            track = _Track(0.0)
            for name, value in zip(_Track.__slots__, values, strict=True):
                setattr(track, name, value)
            track.fastest_mps = self._catalogue.profiles[device].max_speed_kmh / 3.6
            self._tracks[device] = track
            self._show(device, track)
