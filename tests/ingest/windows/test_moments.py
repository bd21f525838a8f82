"""Standard deviations of windows against the exact arithmetic of fractions."""

import math
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.windows.readings import (
    SPECS,
    Reading,
    feed,
    inside_of,
    readings,
    stored,
    unique_batches,
)
from tocsin.ingest.windows.moments import Moments
from tocsin.ingest.windows.spec import WindowSpec

EVERY = np.arange(6, dtype=np.int32)


def exact(values: Sequence[float]) -> float:
    """The sample standard deviation, rounded once."""
    if len(values) < 2:
        return math.nan
    parts = [Fraction(value) for value in values]
    mean = sum(parts) / len(parts)
    return math.sqrt(sum((part - mean) ** 2 for part in parts) / (len(parts) - 1))


@given(st.sampled_from(SPECS), readings)
def test_it_agrees_with_sorting_and_bucketing(spec: WindowSpec, given: list[Reading]) -> None:
    moments = Moments(spec)
    so_far: list[Reading] = []
    for batch in unique_batches(given):
        feed(moments, batch)
        so_far += batch
        found = moments.query("stddev", EVERY)
        for series, values in inside_of(spec, so_far).items():
            assert found[series] == pytest.approx(exact(values), nan_ok=True, abs=1e-9)
            assert moments.query_one("min", series) == min(values)
            assert moments.query_one("max", series) == max(values)


@given(st.sampled_from(SPECS), readings, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(
    spec: WindowSpec, given: list[Reading], random: Random
) -> None:
    answers: list[list[float]] = []
    for order in (sorted(given, key=lambda reading: reading[1]), random.sample(given, len(given))):
        moments = Moments(spec)
        for batch in unique_batches(order):
            feed(moments, batch)
        answers.append(moments.query("stddev", EVERY).tolist())
    assert answers[1] == pytest.approx(answers[0], nan_ok=True, abs=1e-9)


@given(st.sampled_from(SPECS), readings, readings)
def test_one_by_one_runs_and_snapshots_are_the_same_to_the_last_bit(
    spec: WindowSpec, given: list[Reading], after: list[Reading]
) -> None:
    together, alone, run = Moments(spec), Moments(spec), Moments(spec)
    for batch in unique_batches(given):
        feed(together, batch)
    for reading in given:
        alone.update_one(*reading)
    for series in range(6):
        own = [(t, v) for s, t, v in given if s == series]
        run.update_run(series, np.array([t for t, _ in own]), np.array([v for _, v in own]))
    copy = Moments(spec)
    copy.load(stored(alone.state()))
    for reading in after:
        for each in (together, alone, run, copy):
            each.update_one(*reading)
    vector = str(together.query("stddev", EVERY).tolist())
    for each in (alone, run, copy):
        assert str([each.query_one("stddev", series) for series in range(6)]) == vector


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9, -1e9])
def test_small_noise_on_a_large_value_is_seen(offset: float) -> None:
    random, moments, values = Random(5), Moments(WindowSpec.hopping(60.0)), list[float]()
    for tick in range(600):
        values.append(offset + random.gauss(0, 1e-3))
        moments.update_one(0, tick / 10, values[-1])
    assert moments.query_one("stddev", 0) == pytest.approx(exact(values), abs=math.ulp(offset))


def test_a_huge_value_leaves_no_trace_when_it_has_left() -> None:
    moments = Moments(WindowSpec.hopping(10.0))
    moments.update_one(0, 0.0, 1e18)
    for tick in range(1, 200):
        moments.update_one(0, tick / 10, tick % 2)
    assert moments.query_one("stddev", 0) == pytest.approx(0.5, rel=0.01)


def test_a_series_without_readings_is_unknown() -> None:
    moments = Moments(WindowSpec.hopping(60.0))
    moments.update_one(3, 100.0, 1.0)
    for function in ("stddev", "min", "max"):
        assert np.isnan(moments.query(function, np.array([-1, 0, 9_999], np.int32))).all()
