"""Zones against oracles that share nothing with them: winding numbers in fractions, the sphere."""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.ingest.geo.shape import Shape
from tocsin.ingest.geo.zone import Zone, zone_of

RADIUS_M = 6_371_008.8
Path = list[tuple[float, float]]


def polygon(*rings: Path) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": rings}


def zone(geometry: dict[str, Any], **properties: Any) -> Zone:
    return zone_of({"type": "Feature", "properties": properties, "geometry": geometry}, "z")


def box(west: float, south: float, east: float, north: float) -> Path:
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def inside(shape: Shape, lon: float, lat: float, accuracy_m: float = 0.0) -> bool | None:
    """By both forms, which have to agree."""
    many = shape.inside(np.array([lat]), np.array([lon]), np.array([accuracy_m])).item()
    one = shape.inside_one(lat, lon, accuracy_m)
    assert (math.isnan(many) and math.isnan(one)) or many == one
    return None if math.isnan(many) else bool(many)


def winding(path: Path, lon: float, lat: float) -> tuple[int, bool]:
    """How often a path goes round a point, and whether the point is on it; exactly."""
    x, y = Fraction(lon), Fraction(lat)
    turns, on = 0, False
    for (x1, y1), (x2, y2) in pairwise((Fraction(a), Fraction(b)) for a, b in path):
        side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
        on |= side == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)
        if y1 <= y < y2 and side > 0:
            turns += 1
        elif y2 <= y < y1 and side < 0:
            turns -= 1
    return turns, on


# Eighths: everything that is computed of them is exact in 64 bits.
grid = st.integers(-80, 80).map(lambda n: n / 8)
point = st.tuples(grid, grid)


@given(st.lists(point, min_size=3, max_size=12), st.lists(point, min_size=1, max_size=20))
def test_polygons_are_those_of_the_oracle(corners: Path, points: Path) -> None:
    ring = [*corners, corners[0]]
    try:
        shape = Shape(zone(polygon(ring)))
    except ValueError:
        return  # it encloses nothing
    lon, lat = np.array(points).T
    found = shape.inside(lat, lon, np.zeros(len(points)))
    for (x, y), each in zip(points, found.tolist(), strict=True):
        turns, on = winding(ring, x, y)
        # Where a ring crosses itself, odd is inside.
        assert bool(each) is (on or turns % 2 == 1)
        assert inside(shape, x, y) is bool(each)


@settings(max_examples=30)
@given(st.integers(3, 400), point, st.floats(0.5, 5))
def test_polygons_of_many_edges(edges: int, middle: tuple[float, float], size: float) -> None:
    """Edges are found by bands of latitude: none is missed."""
    turns = [2 * math.pi * n / edges for n in range(edges)]
    ring = [(size * math.cos(t), size * (0.3 + n % 2) * math.sin(t)) for n, t in enumerate(turns)]
    ring.append(ring[0])
    shape = Shape(zone(polygon(ring)))
    for step in range(20):
        x, y = middle[0] * step / 40, middle[1] * step / 40
        turned, on = winding(ring, x, y)
        assert on or inside(shape, x, y) is (turned % 2 == 1)


def test_a_hole_is_outside_and_its_edge_is_not() -> None:
    shape = Shape(zone(polygon(box(0, 0, 8, 8), box(2, 2, 4, 4), box(3, 3, 5, 5))))
    assert inside(shape, 1, 1) is True
    assert inside(shape, 2.5, 2.5) is False
    assert inside(shape, 3.5, 3.5) is False  # in two holes
    assert inside(shape, 2, 3) is True


def test_a_hole_outside_of_its_polygon_is_no_zone() -> None:
    assert inside(Shape(zone(polygon(box(0, 0, 8, 8), box(10, 2, 14, 4)))), 12, 3) is False


@pytest.mark.parametrize(
    "geometry",
    [
        polygon(box(170, -10, -170, 10), box(179, -1, -179, 1)),
        polygon(box(170, -10, -170, 10)[::-1], box(179, -1, -179, 1)),
        polygon([(-170, 10), (170, 10), (170, -10), (-170, -10), (-170, 10)],
                [(-179, 1), (179, 1), (179, -1), (-179, -1), (-179, 1)]),
        {"type": "MultiPolygon", "coordinates": [
            [box(170, -10, 180, 10), box(179, -1, 180, 1)],
            [box(-180, -10, -170, 10), box(-180, -1, -179, 1)],
        ]},
    ],
    ids=["crossing", "clockwise", "from the east", "cut"],
)  # fmt: skip
def test_zones_over_the_antimeridian(geometry: dict[str, Any]) -> None:
    shape = Shape(zone(geometry))
    for lon in (175, 180, -180, -175):
        assert inside(shape, lon, 5) is True
        # Where it was cut is no edge.
        assert inside(shape, lon, 5, 50_000) is True
    for lon, lat in ((165, 5), (-165, 5), (0, 5), (179.5, 0), (-179.5, 0), (180, 11)):
        assert inside(shape, lon, lat) is False
    assert inside(shape, -169.9999, 5, 100) is None
    assert inside(shape, 170.0001, 5, 100) is None


def test_a_zone_around_a_pole_and_one_around_the_world() -> None:
    cap = Shape(zone(polygon(box(-180, 80, 180, 90))))
    for lon in (-180, -90, 0, 179.9, 180):
        assert inside(cap, lon, 85) is True
        assert inside(cap, lon, 90) is True
        assert inside(cap, lon, 79) is False
    assert inside(Shape(zone(polygon(box(-180, -90, 180, 90)))), 180, 12) is True


def far(lat: float, lon: float, lat2: float, lon2: float) -> float:
    """By the angle between vectors, not by the haversine."""

    def vector(lat: float, lon: float) -> Any:
        a, b = math.radians(lat), math.radians(lon)
        return np.array([math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)])

    one, other = vector(lat, lon), vector(lat2, lon2)
    return RADIUS_M * math.atan2(float(np.linalg.norm(np.cross(one, other))), float(one @ other))


anywhere = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


@given(anywhere, st.floats(1, 1_000_000), st.lists(anywhere, min_size=1), st.floats(0, 5_000))
def test_circles_are_those_of_the_sphere(
    center: tuple[float, float], radius_m: float, points: Path, accuracy_m: float
) -> None:
    shape = Shape(zone({"type": "Point", "coordinates": center}, radius_m=radius_m))
    near = [(center[0] + x / 400, max(-90, min(90, center[1] + y / 400))) for x, y in points]
    for x, y in [*points, *((x, y) for x, y in near if -180 <= x <= 180)]:
        way_m = far(y, x, center[1], center[0])
        if abs(abs(way_m - radius_m) - accuracy_m) < 0.1 or abs(way_m - radius_m) < 0.1:
            continue  # less than the oracle's own error
        unsure = abs(way_m - radius_m) < accuracy_m
        assert inside(shape, x, y, accuracy_m) is (None if unsure else way_m < radius_m)
        distance_m = shape.distance_m(np.array([y]), np.array([x])).item()
        assert distance_m == pytest.approx(max(0.0, way_m - radius_m), abs=0.1)


@settings(max_examples=30)
@given(
    st.floats(-84, 84),
    st.sampled_from([0.0, 100.0, 179.99, -179.99]),
    st.floats(-0.02, 0.02),
    st.floats(-0.02, 0.02),
    st.floats(0.1, 1_500),
)
def test_the_edge_of_a_polygon_is_as_far_as_by_many_points_on_it(
    lat: float, lon: float, north: float, east: float, accuracy_m: float
) -> None:
    def turned(x: float) -> float:
        return (x + 180) % 360 - 180

    corners = [(0.0, 0.0), (0.013, 0.002), (0.009, 0.011), (-0.002, 0.008), (0.0, 0.0)]
    shape = Shape(zone(polygon([(turned(lon + x), lat + y) for x, y in corners])))
    x, y = turned(lon + east), lat + north
    way_m = min(
        far(y, x, lat + y1 + (y2 - y1) * n / 100, lon + x1 + (x2 - x1) * n / 100)
        for (x1, y1), (x2, y2) in pairwise(corners)
        for n in range(101)
    )
    spacing_m = 20.0
    within = inside(shape, x, y)
    if way_m > accuracy_m + spacing_m:
        assert inside(shape, x, y, accuracy_m) is within
    elif way_m < accuracy_m - spacing_m:
        assert inside(shape, x, y, accuracy_m) is None
    distance_m = shape.distance_m(np.array([y]), np.array([x])).item()
    assert distance_m == pytest.approx(0.0 if within else way_m, abs=spacing_m, rel=0.01)


def test_an_unknown_position_is_nowhere_known() -> None:
    for geometry, more in (
        (polygon(box(0, 0, 8, 8)), {}),
        ({"type": "Point", "coordinates": (0, 0)}, {"radius_m": 5}),
    ):
        shape = Shape(zone(geometry, **more))
        assert inside(shape, math.nan, math.nan) is None
        assert math.isnan(shape.distance_m(np.array([math.nan]), np.array([math.nan])).item())
