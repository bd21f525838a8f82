"""What the values of a group come to, against sorting them and `fractions`."""

from fractions import Fraction
from math import inf, nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.rules.crowd import Crowd
from tocsin.ingest.rules.spans import Span

PERCENT = {"p50_devices": 50, "p90_devices": 90, "p95_devices": 95, "p99_devices": 99}


def crowd_of(values: list[float]) -> Crowd:
    crowd = Crowd()
    for value in values:
        crowd.join(value)
    return crowd


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, min_size=1, max_size=30), st.lists(numbers, max_size=30), st.randoms())
def test_it_is_exact_whoever_came_and_went(
    stay: list[float], go: list[float], random: Random
) -> None:
    everybody = [*stay, *go]
    random.shuffle(everybody)
    crowd = crowd_of(everybody)
    for value in go:
        crowd.leave(value)
    total = sum(map(Fraction, stay))
    for function, exact in (("sum_devices", total), ("avg_devices", total / len(stay))):
        try:
            wanted = float(exact)
        except OverflowError:
            wanted = inf if exact > 0 else -inf
        assert crowd.span(function) == Span(wanted, wanted)
    assert crowd.span("min_devices") == Span(min(stay), min(stay))
    assert crowd.span("max_devices") == Span(max(stay), max(stay))
    for function, percent in PERCENT.items():
        least = min(v for v in stay if 100 * sum(w <= v for w in stay) >= percent * len(stay))
        assert crowd.span(function) == Span(least, least)


@given(st.lists(st.integers(-5, 5).map(float), max_size=6), st.integers(1, 3))
def test_unknown_members_leave_open_what_they_may_change(known: list[float], unknown: int) -> None:
    crowd = crowd_of([*known, *[nan] * unknown])
    for function in ("min_devices", "max_devices", *PERCENT):
        lowest = crowd_of([*known, *[-inf] * unknown]).span(function)
        highest = crowd_of([*known, *[inf] * unknown]).span(function)
        assert lowest is not None
        assert highest is not None
        assert crowd.span(function) == Span(lowest.low, highest.high)
    assert crowd.span("sum_devices") is crowd.span("avg_devices") is None


def test_without_members_nothing_is_known_and_infinities_of_both_signs_have_no_sum() -> None:
    assert crowd_of([]).span("max_devices") is None
    assert crowd_of([inf, 1.0]).span("sum_devices") == Span(inf, inf)
    assert crowd_of([inf, -inf]).span("avg_devices") is None


def test_a_sum_that_was_large_is_small_again_to_the_last_digit() -> None:
    crowd = crowd_of([1e300, 0.1, 5e-324])
    crowd.leave(1e300)
    assert crowd.span("sum_devices") == pytest.approx((0.1, 0.1), abs=0)
