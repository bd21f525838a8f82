"""Percentiles of windows against sorting: never below the exact one, and at most 1 % above."""

import math
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.windows.readings import SPECS, Reading, feed, inside_of, unique_batches
from tocsin.ingest.windows.quantiles import ERROR, SMALLEST, Quantiles
from tocsin.ingest.windows.shelves import LONGEST
from tocsin.ingest.windows.spec import WindowSpec

FUNCTIONS = ("p50", "p90", "p95", "p99")
EVERY = np.arange(6, dtype=np.int32)

values = (
    st.integers(-3, 3).map(float)
    | st.floats(-100, 100)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 5e-324, 1e-12, -1e-12, 1.7e308, -1.7e308])
)
readings = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.one_of(st.integers(0, 80), st.integers(0, 4000)).map(lambda quarter: quarter / 4),
        values,
    ),
    min_size=1,
    max_size=150,
)


def exact(function: str, values: Sequence[float]) -> float:
    rank = math.ceil(Fraction(function[1:]) * len(values) / 100)
    return sorted(values)[rank - 1]


def assert_close(found: float, exact: float) -> None:
    """As is promised; with room for the rounding of a logarithm."""
    assert exact <= found <= exact + abs(exact) * (ERROR + 1e-9) + 2 * SMALLEST


@given(st.sampled_from(SPECS), readings, st.sampled_from((0.0, 2.0**32 - 500.0, 1.7e9)))
def test_it_agrees_with_sorting_and_bucketing(
    spec: WindowSpec, given: list[Reading], begins: float
) -> None:
    """Also where the numbers of panes are more than 2^32."""
    given = [(series, begins + time, value) for series, time, value in given]
    quantiles = Quantiles(spec)
    so_far: list[Reading] = []
    for batch in unique_batches(given):
        feed(quantiles, batch)
        so_far += batch
    for series, values in inside_of(spec, so_far).items():
        for function in FUNCTIONS:
            found = quantiles.query(function, np.array([series], np.int32)).item()
            assert found in values
            assert_close(found, exact(function, values))
            assert quantiles.query_one(function, series) == found
        assert quantiles.query_one("max", series) == max(values)
        lowest = quantiles.query_one("min", series)
        assert min(values) <= lowest <= quantiles.query_one("p50", series)


@given(st.sampled_from(SPECS), st.integers(0, 99), st.sampled_from([1 / 128, 0.25, 2.0]))
@settings(max_examples=30)
def test_many_readings_in_few_bins(spec: WindowSpec, seed: int, step_s: float) -> None:
    random, quantiles, so_far = Random(seed), Quantiles(spec), list[Reading]()
    draw = random.choice([lambda: random.gauss(80, 5), lambda: random.lognormvariate(0, 3)])
    for tick in range(1500):
        so_far.append((2, tick * step_s, draw()))
        quantiles.update_one(*so_far[-1])
        if tick % 100 == 99:
            (values,) = inside_of(spec, so_far).values()
            for function in FUNCTIONS:
                assert_close(quantiles.query_one(function, 2), exact(function, values))


@given(st.sampled_from(SPECS), readings, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(
    spec: WindowSpec, given: list[Reading], random: Random
) -> None:
    answers: list[list[list[float]]] = []
    for order in (sorted(given, key=lambda reading: reading[1]), random.sample(given, len(given))):
        quantiles = Quantiles(spec)
        for batch in unique_batches(order):
            feed(quantiles, batch)
        answers.append([quantiles.query(f, EVERY).tolist() for f in FUNCTIONS])
    assert str(answers[1]) == str(answers[0])


@given(st.sampled_from(SPECS), readings, readings)
def test_one_by_one_runs_and_snapshots_are_the_same(
    spec: WindowSpec, given: list[Reading], after: list[Reading]
) -> None:
    together, alone, run = Quantiles(spec), Quantiles(spec), Quantiles(spec)
    for batch in unique_batches(given):
        feed(together, batch)
    for reading in given:
        alone.update_one(*reading)
    for series in range(6):
        own = [(t, v) for s, t, v in given if s == series]
        if own:
            run.update_run(series, np.array([t for t, _ in own]), np.array([v for _, v in own]))
    assert str(together.state()) == str(alone.state()) == str(run.state())
    copy = Quantiles(spec)
    copy.load(alone.state())
    for reading in after:
        for each in (together, alone, run, copy):
            each.update_one(*reading)
    assert str(together.state()) == str(copy.state())
    for function in FUNCTIONS:
        vector = str(together.query(function, EVERY).tolist())
        for each in (alone, run, copy):
            assert str([each.query_one(function, series) for series in range(6)]) == vector


def test_bins_are_bounded_and_become_wider() -> None:
    """Readings over 30 orders of magnitude in each of 60 panes, then steady ones."""
    random, quantiles = Random(3), Quantiles(WindowSpec.hopping(60.0))
    values: list[float] = []
    for second in range(60):
        value = np.array([10 ** random.uniform(-11, 19) for _ in range(2000)])
        values += value.tolist()
        quantiles.update_run(0, np.full(2000, float(second)), value)
    assert quantiles.state()["bins"].item() <= LONGEST
    width = (1 + ERROR) ** (2 ** quantiles.state()["coarse"].item()) * (1 + 1e-9)
    assert 1.02 < width < 1.4
    for function in FUNCTIONS:
        assert 1 <= quantiles.query_one(function, 0) / exact(function, values) < width
    for tick in range(40_000):
        quantiles.update_one(0, 200 + tick / 300, 80.0 + tick % 7)
    assert quantiles.state()["coarse"].item() == 0
    assert_close(quantiles.query_one("p50", 0), 83.0)


def test_many_series_whose_rows_are_full_at_once() -> None:
    """1,100 series in step, a few readings in each pane: rows are joined together, and moved."""
    random, spec = np.random.default_rng(4), WindowSpec.hopping(60.0)
    quantiles, series = Quantiles(spec), np.arange(1100, dtype=np.int32)
    so_far: list[Reading] = []
    watched = (0, 511, 512, 1099)
    for tick in range(400):
        time, value = 1.7e9 + tick / 4, np.round(random.normal(0, 3, len(series)), 1)
        quantiles.update(series, np.full(len(series), time), value)
        so_far += [(each, time, value.item(each)) for each in watched]
    for each, values in inside_of(spec, so_far).items():
        for function in FUNCTIONS:
            found = quantiles.query(function, np.array([each], np.int32)).item()
            assert_close(found, exact(function, values))
            assert quantiles.query_one(function, each) == found


def test_memory_follows_what_is_in_the_window() -> None:
    """1,000 series at 1 Hz, and one of them at 1 kHz: 60 panes of 5 s."""
    quantiles, series = Quantiles(WindowSpec.hopping(300.0)), np.arange(1000, dtype=np.int32)
    random = np.random.default_rng(1)
    for second in range(900):
        quantiles.update(series, np.full(1000, float(second)), random.normal(80, 4, 1000))
    assert quantiles.nbytes < 1000 * 512 * 16 * 1.3
    before = quantiles.nbytes
    for second in range(900, 910):
        burst = np.sort(random.uniform(second, second + 1, 1000))
        quantiles.update_run(7, burst, random.normal(80, 4, 1000))
    assert quantiles.nbytes < before * 1.05


def test_a_gap_of_ages_leaves_nothing_behind() -> None:
    quantiles = Quantiles(WindowSpec.hopping(10.0))
    for time in (0.0, 2**32 * 0.1, 2 * 2**32 * 0.1):
        quantiles.update_one(0, time, time)
        assert quantiles.query_one("p50", 0) == time


@pytest.mark.parametrize("function", [*FUNCTIONS, "min", "max"])
def test_a_series_without_readings_is_unknown(function: str) -> None:
    quantiles = Quantiles(WindowSpec.hopping(60.0))
    quantiles.update_one(3, 100.0, 1.0)
    assert np.isnan(quantiles.query(function, np.array([-1, 0, 9_999], np.int32))).all()
    assert math.isnan(quantiles.query_one(function, -1))
    assert quantiles.query_one(function, 3) == 1.0
