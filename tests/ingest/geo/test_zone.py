"""GeoJSON that is a zone, and GeoJSON that is not: what is said of it."""

import json
from typing import Any

import pytest

from tocsin.ingest.geo.geojson import ZoneFileError, read_zones
from tocsin.ingest.geo.zone import ZoneError, zone_of

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


def feature(geometry: object, **properties: Any) -> dict[str, Any]:
    named = {"name": "yard", **properties}
    return {"type": "Feature", "properties": named, "geometry": geometry}


def square(*rings: object) -> dict[str, Any]:
    return feature({"type": "Polygon", "coordinates": list(rings) or [SQUARE]})


def circle(*position: object, **properties: Any) -> dict[str, Any]:
    return feature({"type": "Point", "coordinates": list(position)}, **properties)


GOOD = {
    "polygon": square(),
    "with a hole": square(SQUARE, [[0.2, 0.2], [0.4, 0.2], [0.4, 0.4], [0.2, 0.2]]),
    "multipolygon": feature({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}),
    "circle": circle(16.4, 48.2, radius_m=50),
}


@pytest.mark.parametrize("given", GOOD.values(), ids=GOOD)
def test_a_zone_is_the_feature_it_came_from(given: dict[str, Any]) -> None:
    zone = zone_of(given)
    assert json.loads(json.dumps(zone.feature())) == given
    assert zone_of(zone.feature()) == zone


def test_heights_are_left_out() -> None:
    high = [[x, y, 400] for x, y in SQUARE]
    assert zone_of(square(high)) == zone_of(square())


BAD: dict[str, tuple[object, str]] = {
    "not an object": ([], "is an array; expected an object"),
    "no feature": ({"type": "Polygon"}, "type: is 'Polygon'; expected 'Feature'"),
    "no name": (
        {"type": "Feature", "geometry": None},
        "properties.name: is missing; expected a name, as in 'yard'",
    ),
    "quote in name": (feature(None, name="o'neill"), 'has "\'"; expected no'),
    "slash in name": (feature(None, name="a/b"), "has '/'; expected no"),
    "spaces": (feature(None, name=" yard"), "' yard' is no name"),
    "no geometry": (feature(None), "geometry: is missing; expected an object"),
    "line": (
        feature({"type": "LineString", "coordinates": SQUARE}),
        "geometry.type: is 'LineString'; expected Point (with radius_m in properties), Polygon",
    ),
    "not closed": (
        square(SQUARE[:-1]),
        "geometry.coordinates.0: is not closed: it begins at [0.0, 0.0] and ends at [0.0, 1.0];"
        " expected the first position again at the end",
    ),
    "too short": (square([[0, 0], [1, 1], [0, 0]]), "has 3 positions; expected 4 at least"),
    "flat": (square([[0, 0], [1, 1], [2, 2], [0, 0]]), "encloses nothing"),
    "longitude": (
        square([[200, 0], *SQUARE]),
        "geometry.coordinates.0.0: longitude 200 is no such; expected -180 to 180",
    ),
    "swapped": (
        square([[48, 100], *SQUARE]),
        "latitude 100 is no such; expected -90 to 90; are longitude and latitude swapped?",
    ),
    "text": (square([["0", 0], *SQUARE]), "geometry.coordinates.0.0: is '0'; expected a number"),
    "nested wrong": (square(0.0), "geometry.coordinates.0: is 0.0; expected an array of positions"),
    "round the pole": (
        square([[0, 80], [120, 80], [-120, 80], [0, 80]]),
        "goes round a pole; expected a ring that goes to it",
    ),
    "no radius": (circle(1, 2), "properties.radius_m: is missing"),
    "radius 0": (circle(1, 2, radius_m=0), "is 0; expected more than 0 to 1e+06 metres"),
    "radius of a polygon": (
        feature({"type": "Polygon", "coordinates": [SQUARE]}, radius_m=5),
        "is of circles only",
    ),
    "many vertices": (
        square([[n / 9999, (n % 2) / 9] for n in range(3000)]),
        "has 2999 vertices; expected at most 2000: simplify its outline",
    ),
    "many in all": (
        feature({"type": "MultiPolygon", "coordinates": [[SQUARE]] * 501}),
        "has 2004 vertices; expected at most 2000",
    ),
}


@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD)
def test_what_is_no_zone_is_refused_with_its_place(given: object, said: str) -> None:
    with pytest.raises(ZoneError) as caught:
        zone_of(given)
    assert said in str(caught.value)


def test_a_file_is_refused_with_all_that_is_wrong_with_it() -> None:
    collection = {
        "type": "FeatureCollection",
        "features": [square(), square(SQUARE[:-1]), square(), circle(1, 2)],
    }
    with pytest.raises(ZoneFileError) as caught:
        read_zones(json.dumps(collection).encode(), "plant.geojson")
    first, second, third = caught.value.problems
    assert first.startswith("plant.geojson: zone 2 'yard': geometry.coordinates.0: is not closed")
    assert second == "plant.geojson: zone 3: 'yard' is the name of another one too"
    assert third.startswith("plant.geojson: zone 4 'yard': properties.radius_m: is missing")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"type": "FeatureCollection"}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_file_of_zones(content: bytes) -> None:
    with pytest.raises(ZoneFileError, match=r"^z: is (not JSON|no GeoJSON)"):
        read_zones(content, "z")
