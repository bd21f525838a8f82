"""What rules ask of positions: the functions of zones and the speed, of devices by their ids."""

from math import nan

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.geo.fixes import Fixes
from tocsin.ingest.geo.zone_set import ZoneSet
from tocsin.ingest.rules.compiled import Place

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


class Whereabouts:
    """Answers NaN where the position is unknown, or the zone is not there (any more)."""

    def __init__(self, catalogue: Catalogue, fixes: Fixes, zones: ZoneSet) -> None:
        self._catalogue = catalogue
        self._fixes = fixes
        self._zones = zones

    def of(self, place: Place, device: Ids) -> Floats:
        """The value of a function for each of these devices."""
        function, zone = place
        self._fixes.reach()
        if function == "speed_kmh":
            return self._fixes.speed_kmh.values[device]
        shape = self._zones.shape(zone)
        if shape is None:
            return np.full(len(device), nan)
        latitude = self._catalogue.latitude.values[device]
        longitude = self._catalogue.longitude.values[device]
        if function == "distance_m":
            return shape.distance_m(latitude, longitude)
        return shape.inside(latitude, longitude, self._fixes.accuracy_m.values[device])

    def of_one(self, place: Place, device: int) -> float:
        """As `of`, of one device."""
        function, zone = place
        if function != "inside":
            return self.of(place, np.array([device], np.int32)).item()
        shape = self._zones.shape(zone)
        latitude = self._catalogue.latitude.values.item(device)
        if shape is None or latitude != latitude:
            return nan
        return shape.inside_one(
            latitude,
            self._catalogue.longitude.values.item(device),
            self._fixes.accuracy_m.values.item(device),
        )
