"""Panes against sorting and bucketing, for readings in any order, late and repeated.

slide 1 s   | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
size 3 s                    [~~~~~~~~~~~t)         newest reading at 6.2: panes 4, 5, 6
"""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.windows.readings import (
    SPECS,
    Reading,
    feed,
    readings,
    rows_inside,
    stored,
    unique_batches,
)
from tocsin.ingest.snapshot import encode
from tocsin.ingest.windows.panes import BASIC, ENDS, Panes
from tocsin.ingest.windows.run import Runs
from tocsin.ingest.windows.spec import WindowSpec

FUNCTIONS = sorted(BASIC | ENDS)


def expected(spec: WindowSpec, readings: Sequence[Reading]) -> dict[tuple[str, int], float]:
    """Every function of every series, by sorting its readings and taking those of the window."""
    answers: dict[tuple[str, int], float] = {}
    for series, inside in rows_inside(spec, readings).items():
        values = [value for _, _, value in inside]
        last = inside[-1][2]
        first = next(value for time, _, value in reversed(inside) if time == inside[0][0])
        span = inside[-1][0] - inside[0][0]
        several = len(inside) > 1
        answers |= {
            ("count", series): float(len(values)),
            ("sum", series): math.fsum(values),
            ("avg", series): math.fsum(values) / len(values),
            ("min", series): min(values),
            ("max", series): max(values),
            ("first", series): first,
            ("last", series): last,
            ("delta", series): last - first if several else math.nan,
            ("rate", series): (last - first) / span if span > 0 else math.nan,
        }
    return answers


@given(st.sampled_from(SPECS), readings)
def test_panes_agree_with_sorting_and_bucketing(spec: WindowSpec, given: list[Reading]) -> None:
    panes = Panes(spec, ends=True)
    for end, batch in enumerate(unique_batches(given), 1):
        feed(panes, batch)
        so_far = [reading for each in unique_batches(given)[:end] for reading in each]
        for (function, series), answer in expected(spec, so_far).items():
            found = panes.query(function, np.array([series], np.int32)).item()
            assert found == pytest.approx(answer, nan_ok=True), (function, series)


@given(st.sampled_from(SPECS), readings, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(
    spec: WindowSpec, given: list[Reading], random: Random
) -> None:
    distinct = list({(series, time): (series, time, v) for series, time, v in given}.values())
    shuffled = distinct.copy()
    random.shuffle(shuffled)
    answers: list[list[float]] = []
    for order in (sorted(distinct, key=lambda reading: reading[1]), shuffled):
        panes = Panes(spec, ends=True)
        for batch in unique_batches(order):
            feed(panes, batch)
        every = np.arange(5, dtype=np.int32)
        answers.append([x for f in FUNCTIONS for x in panes.query(f, every).tolist()])
    assert answers[1] == pytest.approx(answers[0], nan_ok=True)


@given(st.sampled_from(SPECS), readings, st.data())
def test_one_by_one_is_the_same_to_the_last_bit(
    spec: WindowSpec, given: list[Reading], data: st.DataObject
) -> None:
    scale = data.draw(st.sampled_from([1.0, 0.1, 1 / 3]))
    together, alone = Panes(spec, ends=True), Panes(spec, ends=True)
    for batch in unique_batches([(s, t, v * scale) for s, t, v in given]):
        feed(together, batch)
        for reading in batch:
            alone.update_one(*reading)
    every = np.arange(6, dtype=np.int32)
    for function in FUNCTIONS:
        vector = together.query(function, every).tolist()
        scalar = [alone.query_one(function, series) for series in range(6)]
        assert str(vector) == str(scalar), function


@given(st.sampled_from(SPECS), st.booleans(), st.data())
def test_a_run_is_the_same_to_the_last_bit(
    spec: WindowSpec, ends: bool, data: st.DataObject
) -> None:
    """Readings of one series, many at once; some runs go back in time or stand still."""
    together, alone = Panes(spec, ends=ends), Panes(spec, ends=ends)
    functions = FUNCTIONS if ends else sorted(BASIC)
    now = 0.0
    for _ in range(data.draw(st.integers(1, 6))):
        count = data.draw(st.integers(1, 150))
        steps = data.draw(st.sampled_from([(0.05, 0.1), (1.0, 1.5), (0.3, 40.0), (-3.0, 2.0)]))
        rng = Random(data.draw(st.integers(0, 99)))
        run = [(now := now + rng.choice(steps), rng.uniform(-5, 5) / 3) for _ in range(count)]
        together.update_run(3, np.array([t for t, _ in run]), np.array([v for _, v in run]))
        for time, value in run:
            alone.update_one(3, time, value)
        for function in functions:
            found, expected = together.query_one(function, 3), alone.query_one(function, 3)
            assert str(found) == str(expected), function


@given(st.sampled_from(SPECS), st.booleans(), st.data())
def test_runs_of_many_series_are_the_same_to_the_last_bit(
    spec: WindowSpec, ends: bool, data: st.DataObject
) -> None:
    """Readings of several series, many at once; those that were left are taken in one by one."""
    together, alone = Panes(spec, ends=ends), Panes(spec, ends=ends)
    now = dict.fromkeys(range(4), 0.0)
    for _ in range(data.draw(st.integers(1, 8))):
        rng = Random(data.draw(st.integers(0, 99)))
        runs: dict[int, list[tuple[float, float]]] = {}
        for series in rng.sample(range(4), rng.randint(1, 4)):
            steps = data.draw(st.sampled_from([(0.05, 0.1), (1.0, 1.5), (0.3, 40.0), (-3.0, 2.0)]))
            time = now[series] + np.cumsum(rng.choices(steps, k=rng.choice((1, 2, 9, 60))))
            now[series] = time.item(-1)
            runs[series] = [(t, rng.uniform(-5, 5) / 3) for t in time.tolist()]
        each = [(series, *reading) for series, run in runs.items() for reading in run]
        found = Runs.of(
            np.array([series for series, _, _ in each], np.int32),
            np.array([t for _, t, _ in each]),
            np.array([v for _, _, v in each]),
        )
        left = dict(zip(found.series.tolist(), together.update_runs(found).tolist(), strict=True))
        for series, run in runs.items():
            for time, value in run:
                alone.update_one(series, time, value)
                if left[series]:
                    together.update_one(series, time, value)
        for function in FUNCTIONS if ends else sorted(BASIC):
            for series in range(4):
                one, other = (panes.query_one(function, series) for panes in (together, alone))
                assert str(one) == str(other), function


@given(st.sampled_from(SPECS), readings, readings)
def test_a_snapshot_goes_on_like_the_original(
    spec: WindowSpec, before: list[Reading], after: list[Reading]
) -> None:
    original = Panes(spec, ends=True)
    for batch in unique_batches(before):
        feed(original, batch)
    copy = Panes(spec, ends=True)
    copy.load(stored(original.state()))
    for batch in unique_batches(after):
        feed(original, batch)
        feed(copy, batch)
    every = np.arange(6, dtype=np.int32)
    for function in FUNCTIONS:
        assert str(copy.query(function, every)) == str(original.query(function, every))


@given(st.sampled_from((1.0, 10.0, 61.0, 300.0)), readings, st.floats(0, 1))
def test_an_anchor_holds_the_span_of_a_window(
    size_s: float, given: list[Reading], part: float
) -> None:
    panes = Panes(WindowSpec.hopping(size_s), ends=True)
    newest = -math.inf
    for _, time, _ in given:
        panes.update_one(0, time, time)
        newest = max(newest, time)
    anchor = panes.anchor_one(0)
    if anchor is None or anchor.until < newest:
        return
    for later in (newest + part * (anchor.until - newest), anchor.until):
        panes.update_one(0, later, later)
        assert panes.query_one("delta", 0) >= anchor.age_s


def test_of_a_series_that_goes_on_an_anchor_never_is_about_to_leave_the_window() -> None:
    panes = Panes(WindowSpec.hopping(30.0), ends=True)
    for n in range(1, 1200):
        now = n / 10
        panes.update_one(0, now, float(n))
        anchor = panes.anchor_one(0)
        if now > 1.0:
            assert anchor is not None
            assert anchor.until > now + 10.0, f"at {now} s"


def test_a_window_of_one_time_has_no_anchor() -> None:
    panes = Panes(WindowSpec.hopping(10.0), ends=True)
    assert panes.anchor_one(0) is None
    for value in (1.0, 2.0):
        panes.update_one(0, 7.0, value)
        assert panes.anchor_one(0) is None


def test_a_series_without_readings_is_unknown() -> None:
    panes = Panes(WindowSpec.hopping(60.0), ends=True)
    panes.update_one(3, 100.0, 1.0)
    for function in FUNCTIONS:
        assert np.isnan(panes.query(function, np.array([-1, 0, 9_999], np.int32))).all()
        assert math.isnan(panes.query_one(function, -1))
        assert math.isnan(panes.query_one(function, 9_999))


def test_a_huge_value_leaves_no_trace_when_it_has_left() -> None:
    panes = Panes(WindowSpec.hopping(10.0), ends=False)
    panes.update_one(0, 0.0, 1e18)
    for tick in range(1, 200):
        panes.update_one(0, tick / 10, 0.1)
    assert panes.query_one("avg", 0) == pytest.approx(0.1)


def test_memory_follows_series_not_readings() -> None:
    panes = Panes(WindowSpec.hopping(300.0), ends=True)
    series = np.arange(1000, dtype=np.int32)
    sizes: set[int] = set()
    for tick in range(200):
        panes.update(series, np.full(1000, tick * 7.0), np.ones(1000))
        sizes.add(len(encode(panes.state())))
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("size_s", "slide_s", "panes"),
    [
        (1, 0.1, 10),
        (10, 0.1, 100),
        (60, 1, 60),
        (61, 1, 61),
        (300, 5, 60),
        (420, 5, 84),
        (3600, 60, 60),
        (86400, 600, 144),
    ],
)
def test_panes_are_a_sixtieth_rounded_down_to_a_nice_step(
    size_s: float, slide_s: float, panes: int
) -> None:
    spec = WindowSpec.hopping(size_s)
    assert (spec.slide_s, spec.panes) == (slide_s, panes)


@pytest.mark.parametrize(("size_s", "slide_s"), [(1.0, 2.0), (1.0, 0.0), (0.0, 0.0)])
def test_a_window_slides_by_part_of_its_size(size_s: float, slide_s: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0 and at most its size"):
        WindowSpec(size_s, slide_s)
