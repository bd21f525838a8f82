"""Which positions count: jumps, accuracy, speed, and the same numbers however rows were batched."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.devices.profile import Profile
from tocsin.ingest.geo.earth import distance_m
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.settings import Settings
from tocsin.ingest.views import DeviceView

DEGREE_M = 111_195.08  # of a great circle of 40,030,228.9 m
SLOW = Settings(profiles=(Profile("*", max_speed_kmh=100.0),))


def at(metres: float, second: float, **more: Any) -> dict[str, Any]:
    """A message from so many metres north of where it all began."""
    return {"lat": 48 + metres / DEGREE_M, "lon": 16.0, "ts": START + second, **more}


def view(pipeline: Pipeline) -> DeviceView:
    device = pipeline.device("d")
    assert device is not None
    return device


def metres_north(pipeline: Pipeline) -> float:
    position = view(pipeline).position
    assert position is not None
    return (position[0] - 48) * DEGREE_M


def after(*payloads: object) -> Pipeline:
    pipeline = new_pipeline(SLOW)
    for second, payload in enumerate(payloads):
        pipeline.feed([message("d", payload)], START + 60 + second)
    return pipeline


@pytest.mark.parametrize(
    ("here", "there", "way_m"),
    [
        ((0, 0), (0, 90), math.pi / 2 * 6_371_008.8),
        ((0, 179), (0, -179), 2 * DEGREE_M),  # over the antimeridian
        ((89, 0), (89, 180), 2 * DEGREE_M),  # over the pole
        ((-90, 17), (-90, -100), 0),  # the pole has every longitude
        ((0, 0), (0, 180), math.pi * 6_371_008.8),
    ],
)
def test_distances(here: tuple[float, float], there: tuple[float, float], way_m: float) -> None:
    assert distance_m(*here, *there) == pytest.approx(way_m, rel=1e-7, abs=1e-6)


def test_a_jump_is_counted_and_left_aside() -> None:
    pipeline = after(at(0, 0), at(10, 1), at(9000, 2), at(30, 3))
    assert metres_north(pipeline) == pytest.approx(30)
    assert view(pipeline).jumps_total == 1
    assert view(pipeline).speed_kmh == pytest.approx(36, rel=1e-3)  # 20 m in 2 s
    # It is a reading all the same.
    assert view(pipeline).readings_total == 8


def test_three_jumps_to_one_place_are_none() -> None:
    pipeline = after(at(0, 0), at(9000, 1), at(9010, 2))
    assert (metres_north(pipeline), view(pipeline).jumps_total) == (pytest.approx(0), 2)
    pipeline.feed([message("d", at(9020, 3))], START + 63)
    assert metres_north(pipeline) == pytest.approx(9020)
    # How fast it came there nobody knows.
    assert (view(pipeline).jumps_total, view(pipeline).speed_kmh) == (2, None)


def test_jumps_to_different_places_stay_jumps() -> None:
    jumps = [at(9000 * (-1) ** n, n + 1) for n in range(10)]
    pipeline = after(at(0, 0), *jumps)
    assert (metres_north(pipeline), view(pipeline).jumps_total) == (pytest.approx(0), 10)


@pytest.mark.parametrize(
    ("more", "accuracy_m", "jumps"),
    [
        ({}, 0, 1),
        ({"accuracy_m": 60}, 60, 0),
        ({"hdop": 12.0}, 60, 0),
        ({"accuracy_m": 60, "hdop": 0.1}, 60, 0),
        ({"accuracy_m": -1}, 0, 1),  # says nothing
    ],
)
def test_what_a_device_says_of_its_accuracy(
    more: dict[str, float], accuracy_m: float, jumps: int
) -> None:
    pipeline = after(at(0, 0, **more), at(100, 1, **more))
    assert (view(pipeline).accuracy_m, view(pipeline).jumps_total) == (accuracy_m, jumps)


def test_a_speed_is_over_a_second_at_least() -> None:
    pipeline = after(at(0, 0), at(10, 1), at(13, 1.1))
    assert view(pipeline).speed_kmh == pytest.approx(36, rel=1e-3)
    assert metres_north(pipeline) == pytest.approx(13)


@pytest.mark.parametrize("part", [{"lat": 50}, {"lon": 17}, {"t": 1}])
def test_half_a_position_is_none(part: dict[str, float]) -> None:
    pipeline = after(at(0, 0), {**part, "ts": START + 1})
    assert metres_north(pipeline) == pytest.approx(0)


def test_an_older_position_moves_nothing() -> None:
    pipeline = after(at(0, 10), at(20, 20), at(10, 15))
    assert metres_north(pipeline) == pytest.approx(20)
    assert view(pipeline).jumps_total == 0


payload = st.builds(
    at,
    st.sampled_from([0.0, 5.0, 20.0, 40.0, 9000.0]),
    st.integers(0, 12).map(float),
)
extra = st.sampled_from([{}, {"accuracy_m": 30.0}, {"hdop": 2.0}, {"t": 1.0}, {"t": "on"}])
sent_by_two = st.lists(st.tuples(st.sampled_from("de"), payload, extra), max_size=14)


@given(sent_by_two, st.data())
def test_batches_and_restarts_change_nothing(
    sent: list[tuple[str, dict[str, Any], dict[str, Any]]], data: st.DataObject
) -> None:
    """To the last bit: one message at a time, all at once, and cut by a snapshot in between."""
    messages = [message(name, {**payload, **more}) for name, payload, more in sent]
    now = START + 20
    one_by_one, at_once, restarted = (new_pipeline(SLOW) for _ in range(3))
    for each in messages:
        one_by_one.feed([each], now)
    at_once.feed(messages, now)
    cut = data.draw(st.integers(0, len(messages)))
    restarted.feed(messages[:cut], now)
    restarted.settle(now)
    kept = restarted.snapshot()
    restarted = new_pipeline(SLOW)
    restarted.restore(kept)
    restarted.feed(messages[cut:], now)
    expected = one_by_one.devices()
    assert at_once.devices() == expected
    assert restarted.devices() == expected
