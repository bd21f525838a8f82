"""Where the edge of a zone is: which positions are within, and how far it is from them.

Hot path: whole arrays of positions; one alone that is far from the zone costs some comparisons.
A position is known to within its accuracy, so the answer is three-valued:

    inside    ( · )  │      the whole circle of the accuracy is within the zone
    unknown        ( │· )   the edge goes through it
    outside          │ ( · )

Without an accuracy it is a point; one on the edge is inside. A hole's edge belongs to the zone.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.geo.earth import DEGREE_M, RADIUS_M, distances_m
from tocsin.ingest.geo.zone import Position, Ring, Zone, unwrapped

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_AT_ONCE = 500_000  # comparisons of a position with an edge: some ten MB


class Shape:
    """A zone made ready for comparisons. Positions are `latitude` and `longitude`, float64 of one
    length, in degrees, NaN where unknown."""

    def __init__(self, zone: Zone) -> None:
        self._center, self._radius_m = zone.center, zone.radius_m
        seamed = _has_seam(zone)
        self._parts = [_Polygon(rings, seamed) for rings in zone.polygons]

    def inside(self, latitude: Floats, longitude: Floats, accuracy_m: Floats) -> Floats:
        """1.0 where inside, 0.0 where not, NaN where that is unknown. `accuracy_m` as the
        positions, 0 or more."""
        found = np.where(np.isnan(latitude) | np.isnan(longitude), np.nan, 0.0)
        near = np.flatnonzero(self._least_m(latitude, longitude) <= accuracy_m)
        if not len(near):
            return found
        latitude, longitude, accuracy_m = latitude[near], longitude[near], accuracy_m[near]
        within = self._within(latitude, longitude)
        found[near] = within
        unsure = np.flatnonzero(accuracy_m > 0)
        if len(unsure):
            through = self._through_edge(
                latitude[unsure], longitude[unsure], accuracy_m[unsure], within[unsure]
            )
            found[near[unsure[through]]] = np.nan
        return found

    def _through_edge(
        self, latitude: Floats, longitude: Floats, radius_m: Floats, within: Mask
    ) -> Mask:
        """Whether the edge goes through circles of `radius_m`; one that touches it from inside is
        inside."""
        if self._center is not None:
            edge_m = self._to_edge_m(latitude, longitude)
            return np.where(within, edge_m < radius_m, edge_m <= radius_m)
        each = zip(
            latitude.tolist(), longitude.tolist(), radius_m.tolist(), within.tolist(), strict=True
        )
        return np.array(
            [
                any(part.edge_within(north, east, radius, not inside) for part in self._parts)
                for north, east, radius, inside in each
            ],
            np.bool_,
        )

    def inside_one(self, latitude: float, longitude: float, accuracy_m: float) -> float:
        """As `inside`, of one position."""
        if self._parts and all(
            part.is_far(latitude, longitude, accuracy_m) for part in self._parts
        ):
            return 0.0
        one = (np.array([latitude]), np.array([longitude]), np.array([accuracy_m]))
        return self.inside(*one).item()

    def distance_m(self, latitude: Floats, longitude: Floats) -> Floats:
        """Metres to the zone: 0.0 within. Within a percent for up to 100 km."""
        within = self._within(latitude, longitude)
        way_m = np.where(within, 0.0, self._to_edge_m(latitude, longitude))
        return np.where(np.isnan(latitude), np.nan, way_m)

    def _least_m(self, latitude: Floats, longitude: Floats) -> Floats:
        """At most as far as the zone is, in metres; 0 or less where it may be there."""
        if self._center is not None:
            return self._from_center_m(latitude, longitude) - self._radius_m
        return np.min([part.least_m(latitude, longitude) for part in self._parts], axis=0)

    def _within(self, latitude: Floats, longitude: Floats) -> Mask:
        if self._center is not None:
            return self._from_center_m(latitude, longitude) <= self._radius_m
        found = np.zeros(len(latitude), np.bool_)
        for part in self._parts:
            found |= part.within(latitude, longitude)
        return found

    def _to_edge_m(self, latitude: Floats, longitude: Floats) -> Floats:
        if self._center is not None:
            return np.abs(self._from_center_m(latitude, longitude) - self._radius_m)
        return np.min([part.to_edge_m(latitude, longitude) for part in self._parts], axis=0)

    def _from_center_m(self, latitude: Floats, longitude: Floats) -> Floats:
        assert self._center is not None
        east, north = self._center
        return distances_m(latitude, longitude, north, east)


class _Polygon:
    """An outer ring and holes, as edges: columns from (x, y) to (x2, y2), longitudes unwrapped."""

    def __init__(self, rings: Sequence[Ring], seamed: bool) -> None:
        paths = [unwrapped(ring) for ring in rings]
        outer = [x for x, _ in paths[0]]
        self._middle = (min(outer) + max(outer)) / 2
        # Holes may begin on the other side of the antimeridian.
        paths = [paths[0], *(_beside(path, self._middle) for path in paths[1:])]
        edges = [np.array(list(pairwise(path))) for path in paths]
        self._rings = len(edges)
        columns = np.concatenate(edges)
        self._x, self._y = columns[:, 0, 0], columns[:, 0, 1]
        self._x2, self._y2 = columns[:, 1, 0], columns[:, 1, 1]
        self._half = (max(outer) - min(outer)) / 2
        self._south, self._north = float(self._y.min()), float(self._y.max())
        # Where a zone was cut at the antimeridian is none of its edges.
        seam = (self._x == self._x2) & (np.abs(self._x) == 180) if seamed else self._x != self._x
        self._is_real = ~seam
        self._real = np.flatnonzero(self._is_real)
        self._ring = np.repeat(np.arange(len(edges)), [len(each) for each in edges])
        self._bands = len(self._x)
        while not self._index():
            self._bands = (self._bands + 1) // 2

    def _index(self) -> bool:
        """Sort the edges into bands of latitude; False if many are in many."""
        height = self._north - self._south
        self._per_degree = self._bands / height if height > 0 else 0.0
        low = self._band(np.minimum(self._y, self._y2))
        number = self._band(np.maximum(self._y, self._y2)) - low + 1
        if self._bands > 1 and number.sum() > 8 * len(low):
            return False
        edge = np.repeat(np.arange(len(low)), number)
        band = np.arange(len(edge)) + np.repeat(low - (number.cumsum() - number), number)
        order = np.argsort(band, kind="stable")
        self._edges = edge[order]
        self._first = np.searchsorted(band[order], np.arange(self._bands + 1))
        self._most = int(np.diff(self._first).max())
        return True

    def _local(self, longitude: Floats) -> Floats:
        """Longitudes beside the polygon's own."""
        return longitude + 360.0 * np.rint((self._middle - longitude) / 360.0)

    def is_far(self, latitude: float, longitude: float, accuracy_m: float) -> bool:
        """Whether it is, at a glance; of latitudes only where nothing else is sure."""
        aside = accuracy_m / DEGREE_M * (1 + 1e-9)
        if latitude - aside > self._north or latitude + aside < self._south:
            return True
        return accuracy_m == 0 and abs((longitude - self._middle + 180) % 360 - 180) > (
            self._half + 1e-9
        )

    def least_m(self, latitude: Floats, longitude: Floats) -> Floats:
        """To the box around it: along a meridian, or to one."""
        up = np.maximum(latitude - self._north, self._south - latitude)
        aside = np.abs(self._local(longitude) - self._middle) - self._half
        aside = np.radians(np.clip(aside, 0.0, 90.0))
        to_meridian = np.arcsin(np.cos(np.radians(latitude)) * np.sin(aside))
        return np.maximum(up * DEGREE_M, to_meridian * RADIUS_M) * (1 - 1e-9)

    def _band(self, latitude: Floats) -> NDArray[np.intp]:
        """Which band of latitudes. Never less further north, also as rounded."""
        band = (latitude - self._south) * self._per_degree
        return np.clip(band, 0, self._bands - 1).astype(np.intp)

    def within(self, latitude: Floats, longitude: Floats) -> Mask:
        """In the outer ring and in no hole, by the parity of edges to the east."""
        longitude = self._local(longitude)
        found = np.zeros(len(latitude), np.bool_)
        boxed = (latitude >= self._south) & (latitude <= self._north)
        boxed &= np.abs(longitude - self._middle) <= self._half
        rings = self._rings
        for some in _portions(np.flatnonzero(boxed), self._most):
            band = self._band(latitude[some])
            first, count = self._first[band], self._first[band + 1] - self._first[band]
            of = np.repeat(np.arange(len(some)), count)
            edge = self._edges[
                np.arange(len(of)) + np.repeat(first - (count.cumsum() - count), count)
            ]
            x, y, x2, y2 = self._x[edge], self._y[edge], self._x2[edge], self._y2[edge]
            px, py = longitude[some][of], latitude[some][of]
            cross = (x2 - x) * (py - y) - (px - x) * (y2 - y)
            to_east = ((y > py) != (y2 > py)) & (np.where(y2 > y, cross, -cross) > 0)
            key = of[to_east] * rings + self._ring[edge[to_east]]
            odd = (np.bincount(key, minlength=len(some) * rings) & 1).reshape(len(some), rings) > 0
            inside = odd[:, 0] & ~odd[:, 1:].any(axis=1)
            on_edge = (cross == 0) & ((px - x) * (px - x2) <= 0) & ((py - y) * (py - y2) <= 0)
            inside[of[on_edge]] = True
            found[some] = inside
        return found

    def edge_within(
        self, latitude: float, longitude: float, radius_m: float, touches: bool
    ) -> bool:
        """Whether an edge is nearer than `radius_m`, or as near if `touches`."""
        aside = radius_m / DEGREE_M * (1 + 1e-9) + 1e-12
        low, high = self._band(np.array([latitude - aside, latitude + aside])).tolist()
        edges = self._edges[self._first.item(low) : self._first.item(high + 1)]
        edges = edges[self._is_real[edges]]
        if not len(edges):
            return False
        way_m = self._ways_m(np.array([[latitude]]), np.array([[longitude]]), edges).min()
        return bool(way_m <= radius_m if touches else way_m < radius_m)

    def to_edge_m(self, latitude: Floats, longitude: Floats) -> Floats:
        """The nearest point of each edge is found in the plane around the position, and the way to
        it on the sphere."""
        found = np.full(len(latitude), np.inf)
        if not len(self._real):
            return found
        for some in _portions(np.flatnonzero(~np.isnan(latitude)), len(self._real)):
            way_m = self._ways_m(latitude[some, None], longitude[some, None], self._real)
            found[some] = way_m.min(axis=1)
        return found

    def _ways_m(self, py: Floats, px: Floats, edges: NDArray[np.intp]) -> Floats:
        """From each position, in rows, to each of `edges`."""
        px = self._local(px)
        x, y = self._x[edges], self._y[edges]
        along_x, along_y = self._x2[edges] - x, self._y2[edges] - y
        shrink = np.cos(np.radians(py)) ** 2  # of a degree of longitude, twice
        length = along_x * along_x * shrink + along_y * along_y
        part = (px - x) * along_x * shrink + (py - y) * along_y
        part = np.clip(part / np.where(length > 0, length, 1.0), 0.0, 1.0)
        return distances_m(py, px, y + part * along_y, x + part * along_x)


def _portions(places: NDArray[np.intp], edges: int) -> list[NDArray[np.intp]]:
    size = max(1, _AT_ONCE // edges)
    return [places[first : first + size] for first in range(0, len(places), size)]


def _beside(path: list[Position], middle: float) -> list[Position]:
    """A hole at the longitudes of its polygon."""
    east = [x for x, _ in path]
    shift = 360.0 * round((middle - (min(east) + max(east)) / 2) / 360.0)
    return [(x + shift, y) for x, y in path]


def _has_seam(zone: Zone) -> bool:
    """Whether polygons meet from both sides at the antimeridian."""
    sides = {
        x
        for rings in zone.polygons
        for ring in rings
        for (x, _), (x2, _) in pairwise(ring)
        if x == x2 and abs(x) == 180
    }
    return len(sides) == 2
