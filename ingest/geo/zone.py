"""A zone: a circle or polygons with a name, read from GeoJSON (RFC 7946) and checked.

An edge is straight in longitude and latitude, as RFC 7946 §3.1.1 has it. A ring may cross the
antimeridian, cut there (§3.1.9) or not: an edge that spans more than 180° of longitude is taken the
short way round, unless it goes along a whole parallel from -180 to 180.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, TypeAlias, cast

import msgspec

MAX_NAME = 100
"""Characters of a zone's name, which is in its URL and in rules."""

MAX_VERTICES = 2000
"""Of a zone. A batch of readings is compared with each: more than this would be felt."""

MAX_RADIUS_M = 1_000_000.0
"""Metres. A circle that is larger is hardly a place."""

Position: TypeAlias = tuple[float, float]
"""Longitude and latitude in degrees, in the order of GeoJSON."""
Ring: TypeAlias = tuple[Position, ...]
"""Closed: the first position is the last."""


class Zone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A circle (`center` and `radius_m`) or `polygons`, each an outer ring and its holes."""

    name: str
    center: Position | None = None
    radius_m: float = 0.0
    polygons: tuple[tuple[Ring, ...], ...] = ()

    def feature(self) -> dict[str, Any]:
        """The zone as a GeoJSON Feature."""
        properties: dict[str, Any] = {"name": self.name}
        if self.center is not None:
            properties["radius_m"] = self.radius_m
            geometry: dict[str, Any] = {"type": "Point", "coordinates": self.center}
        elif len(self.polygons) == 1:
            geometry = {"type": "Polygon", "coordinates": self.polygons[0]}
        else:
            geometry = {"type": "MultiPolygon", "coordinates": self.polygons}
        return {"type": "Feature", "properties": properties, "geometry": geometry}

    @property
    def vertices(self) -> int:
        return sum(len(ring) - 1 for rings in self.polygons for ring in rings)


class ZoneError(ValueError):
    """One thing wrong with a zone. `place` are the keys that lead to it in the Feature."""

    def __init__(self, place: Sequence[str | int], message: str) -> None:
        where = ".".join(str(each) for each in place)
        super().__init__(f"{where}: {message}" if where else message)
        self.place = list(place)
        self.message = message


def zone_of(feature: object, name: str | None = None) -> Zone:
    """The zone that a GeoJSON Feature is. `name` is what it is called where its properties do not
    say. Raises ZoneError for the first thing wrong.
    """
    table = _table(feature, [])
    if table.get("type") != "Feature":
        raise ZoneError(["type"], f"is {_shown(table.get('type'))}; expected 'Feature'")
    properties = _table(table.get("properties") or {}, ["properties"])
    named = properties.get("name", name)
    if name is not None and named != name:
        raise ZoneError(["properties", "name"], f"is {_shown(named)}; expected {name!r} or none")
    checked = check_name(named)
    geometry = _table(table.get("geometry"), ["geometry"])
    coordinates = geometry.get("coordinates")
    place: list[str | int] = ["geometry", "coordinates"]
    radius_m = properties.get("radius_m")
    match geometry.get("type"):
        case "Point":
            center = _position(coordinates, place)
            return Zone(name=checked, center=center, radius_m=_radius(radius_m))
        case "Polygon":
            polygons = (_polygon(coordinates, place),)
        case "MultiPolygon":
            polygons = tuple(
                _polygon(each, [*place, index])
                for index, each in enumerate(_array(coordinates, place, "polygons"))
            )
        case other:
            raise ZoneError(
                ["geometry", "type"],
                f"is {_shown(other)}; expected Point (with radius_m in properties), Polygon or"
                " MultiPolygon",
            )
    if radius_m is not None:
        raise ZoneError(["properties", "radius_m"], "is of circles only; expected a Point with it")
    if not polygons:
        raise ZoneError(place, "has no polygon; expected one at least")
    zone = Zone(name=checked, polygons=polygons)
    if zone.vertices > MAX_VERTICES:
        raise ZoneError(
            place,
            f"has {zone.vertices} vertices; expected at most {MAX_VERTICES}: simplify its outline",
        )
    return zone


def check_name(name: object) -> str:
    """`name`, if it is one. Raises ZoneError."""
    if not isinstance(name, str):
        raise ZoneError(["properties", "name"], f"is {_shown(name)}; expected a name, as in 'yard'")
    wrong = next((each for each in name if each in "/'" or not each.isprintable()), None)
    if wrong is not None:
        raise ZoneError(
            ["properties", "name"],
            f"{name[:64]!r} has {wrong!r}; expected no '/', no \"'\" and no control codes",
        )
    if not name.strip(" .") or name != name.strip() or len(name) > MAX_NAME:
        raise ZoneError(
            ["properties", "name"],
            f"{name[:64]!r} is no name; expected 1 to {MAX_NAME} characters, no spaces at the ends",
        )
    return name


def unwrapped(ring: Ring) -> list[Position]:
    """A ring with longitudes that go on beyond 180° where it crosses the antimeridian.

    Where it goes round a pole, its end is not where it began.
    """
    turned = 0.0
    found = [ring[0]]
    for (before, _), (after, latitude) in pairwise(ring):
        if abs(after - before) > 180 and {before, after} != {-180.0, 180.0}:
            turned += 360.0 if after < before else -360.0
        found.append((after + turned, latitude))
    return found


def _polygon(coordinates: object, place: list[str | int]) -> tuple[Ring, ...]:
    rings = _array(coordinates, place, "rings")
    if not rings:
        raise ZoneError(place, "has no ring; expected the outer one, then holes")
    return tuple(_ring(each, [*place, index]) for index, each in enumerate(rings))


def _ring(coordinates: object, place: list[str | int]) -> Ring:
    items = _array(coordinates, place, "positions")
    if len(items) > MAX_VERTICES + 1:
        raise ZoneError(
            place,
            f"has {len(items) - 1} vertices; expected at most {MAX_VERTICES}: simplify its outline",
        )
    ring = tuple(_position(each, [*place, index]) for index, each in enumerate(items))
    if len(ring) < 4:
        raise ZoneError(
            place, f"has {len(ring)} positions; expected 4 at least, the last the first"
        )
    if ring[0] != ring[-1]:
        raise ZoneError(
            place,
            f"is not closed: it begins at {list(ring[0])} and ends at {list(ring[-1])};"
            " expected the first position again at the end",
        )
    path = unwrapped(ring)
    if path[0] != path[-1]:
        raise ZoneError(
            place,
            "goes round a pole; expected a ring that goes to it: along longitude 180 to the pole's"
            " latitude, along that to longitude -180, and back",
        )
    # Twice its area in square degrees, by the shoelace formula.
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(path))
    if abs(area) < 1e-13:
        raise ZoneError(place, "encloses nothing; expected positions around a place")
    return ring


def _position(coordinates: object, place: list[str | int]) -> Position:
    items = _array(coordinates, place, "numbers")
    if not 2 <= len(items) <= 3:
        raise ZoneError(place, f"has {len(items)} numbers; expected longitude and latitude")
    numbers = [_number(each, place) for each in items[:2]]
    longitude, latitude = numbers
    swapped = abs(longitude) <= 90 and 90 < abs(latitude) <= 180
    hint = "; are longitude and latitude swapped?" if swapped else ""
    if not -180 <= longitude <= 180:
        raise ZoneError(place, f"longitude {longitude:g} is no such; expected -180 to 180")
    if not -90 <= latitude <= 90:
        raise ZoneError(place, f"latitude {latitude:g} is no such; expected -90 to 90{hint}")
    return longitude, latitude


def _radius(value: object) -> float:
    place = ["properties", "radius_m"]
    if value is None:
        raise ZoneError(place, "is missing; expected the circle's radius in metres")
    radius_m = _number(value, place)
    if not 0 < radius_m <= MAX_RADIUS_M:
        raise ZoneError(place, f"is {radius_m:g}; expected more than 0 to {MAX_RADIUS_M:g} metres")
    return radius_m


def _number(value: object, place: Sequence[str | int]) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        number = float(value)
        if isfinite(number):
            return number
    raise ZoneError(place, f"is {_shown(value)}; expected a number")


def _array(value: object, place: list[str | int], what: str) -> list[object]:
    if not isinstance(value, list | tuple):
        raise ZoneError(place, f"is {_shown(value)}; expected an array of {what}")
    return list(cast("Sequence[object]", value))


def _table(value: object, place: list[str | int]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ZoneError(place, f"is {_shown(value)}; expected an object")
    return cast("dict[str, object]", value)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, str | int | float | bool):
        return repr(value)[:48]
    return "an object" if isinstance(value, dict) else "an array"
