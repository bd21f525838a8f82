"""Windows that keep their readings, against sorting, for readings in any order, late and repeated.

In these tests every odd series is a counter.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.ingest.scripts import START, message, new_pipeline
from tests.ingest.windows.readings import (
    SPECS,
    Reading,
    feed,
    readings,
    rows_inside,
    unique_batches,
)
from tocsin.devices.profile import Profile
from tocsin.ingest.facts import RulePut
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.ingest.windows.trace import MOST, Trace

FUNCTIONS = sorted(Trace.functions)
EVERY = np.arange(6, dtype=np.int32)


def odd(series: NDArray[np.int32]) -> NDArray[np.bool_]:
    return series % 2 == 1


def expected(spec: WindowSpec, given: Sequence[Reading]) -> dict[tuple[str, int], float]:
    answers: dict[tuple[str, int], float] = {}
    for series, inside in rows_inside(spec, given).items():
        by_time = {time: value for time, _, value in inside}
        values = list(by_time.values())
        change = values[-1] - values[0]
        if series % 2:
            change = sum(after - before if after >= before else after
                         for before, after in pairwise(values))  # fmt: skip
        span = max(by_time) - min(by_time)
        answers |= {
            ("delta", series): change if len(inside) > 1 else math.nan,
            ("rate", series): change / span if span > 0 else math.nan,
        }
    return answers


@given(st.sampled_from(SPECS), readings)
def test_a_trace_agrees_with_sorting(spec: WindowSpec, given: list[Reading]) -> None:
    trace = Trace(spec, odd)
    for end, batch in enumerate(unique_batches(given), 1):
        feed(trace, batch)
        so_far = [reading for each in unique_batches(given)[:end] for reading in each]
        for (function, series), answer in expected(spec, so_far).items():
            found = trace.query_one(function, series)
            assert found == pytest.approx(answer, nan_ok=True), (function, series)


@given(st.sampled_from(SPECS), st.integers(0, 999), st.integers(1, 400))
@settings(max_examples=60)
def test_one_by_one_a_run_and_a_snapshot_are_the_same_to_the_last_bit(
    spec: WindowSpec, seed: int, count: int
) -> None:
    """Enough readings for rows to be tidied up and to change their shelf."""
    random, now = Random(seed), 0.0
    step = random.choice((0.0625, 1.0, 20.0))
    given: list[Reading] = []
    for _ in range(count):
        now += random.choice((step, step, 3 * step))
        given.append((random.choice((0, 1, 1)), now - random.choice((0, 0, 9)), random.random()))
    alone, together, run = Trace(spec, odd), Trace(spec, odd), Trace(spec, odd)
    for index, reading in enumerate(given):
        alone.update_one(*reading)
        if index == count // 2:
            again = Trace(spec, odd)
            again.load(alone.state())
            alone = again
    for batch in unique_batches(given):
        feed(together, batch)
    for series in (0, 1):
        mine = [(time, value) for each, time, value in given if each == series]
        for begin in range(0, len(mine), 150):
            time, value = zip(*mine[begin : begin + 150], strict=True)
            run.update_run(series, np.array(time), np.array(value))
    for function in (*FUNCTIONS, "min", "max"):
        answers = {str(each.query(function, EVERY).tolist()) for each in (alone, together, run)}
        assert len(answers) == 1, function
        assert answers == {str([alone.query_one(function, series) for series in range(6)])}
    found = expected(spec, given)
    for (function, series), answer in found.items():
        assert alone.query_one(function, series) == pytest.approx(answer, nan_ok=True)


@given(st.sampled_from(SPECS), readings, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(
    spec: WindowSpec, given: list[Reading], random: Random
) -> None:
    distinct = list({(series, time): (series, time, v) for series, time, v in given}.values())
    shuffled = distinct.copy()
    random.shuffle(shuffled)
    answers: list[str] = []
    for order in (sorted(distinct, key=lambda reading: reading[1]), shuffled):
        trace = Trace(spec, odd)
        for batch in unique_batches(order):
            feed(trace, batch)
        answers.append(str([trace.query(each, EVERY).tolist() for each in FUNCTIONS]))
    assert answers[0] == answers[1]


def test_memory_is_bounded_and_follows_what_is_in_the_window() -> None:
    trace = Trace(WindowSpec.hopping(10.0), odd)
    for begin in range(0, 100_000, 1000):
        time = (begin + np.arange(1000.0)) / 10
        trace.update_run(1, time, np.arange(begin, begin + 1000.0))
    assert trace.nbytes < 10_000
    assert trace.query_one("delta", 1) == 99.0
    trace = Trace(WindowSpec.hopping(86400.0), odd)
    trace.update_run(1, np.arange(60_000.0), np.arange(60_000.0))
    assert trace.query_one("delta", 1) == MOST - 1
    assert trace.nbytes < 1_100_000


def test_a_series_without_readings_is_unknown() -> None:
    trace = Trace(WindowSpec.hopping(60.0), odd)
    trace.update_one(3, 100.0, 1.0)
    for function in (*FUNCTIONS, "min"):
        assert np.isnan(trace.query(function, np.array([-1, 0, 9_999], np.int32))).all()
        assert math.isnan(trace.query_one(function, -1))


def rung(counters: tuple[str, ...], values: Sequence[float], *, batch: int = 1) -> list[float]:
    """When `energy` grew by 50 in 10 seconds, one reading a second."""
    pipeline = new_pipeline(Settings(profiles=(Profile("meter-*", counters=counters),)))
    pipeline.feed([RulePut(Rule(name="much", when="delta(energy, '10s') > 50"), "ann")], START)
    sent = [
        message("meter-1", {"ts": START + second, "energy": value})
        for second, value in enumerate(values)
    ]
    found: list[float] = []
    for first in range(0, len(sent), batch):
        for alert in pipeline.feed(sent[first : first + batch], START + 1000 + first).alerts:
            found += [alert.began_at - START] if alert.state == "active" else []
    return found


@pytest.mark.parametrize("batch", [1, 100])
def test_a_meter_that_begins_anew_goes_on_counting(batch: int) -> None:
    values = [*range(1000, 1010), 0.0, *range(44, 49)]
    assert rung(("energy",), [*map(float, values)], batch=batch) == [11.0]
    assert rung(("*gy",), [*map(float, values)], batch=batch) == [11.0]
    assert rung((), [*map(float, values)], batch=batch) == []
    assert rung(("temp",), [*map(float, values)], batch=batch) == []


def test_a_profile_that_says_so_from_now_on_has_new_windows() -> None:
    before = new_pipeline(Settings())
    before.feed([RulePut(Rule(name="much", when="delta(energy, '10s') > 50"), "ann")], START)
    before.feed([message("d", {"ts": START, "energy": 1000})], START)
    before.settle(START)
    after = new_pipeline(Settings(profiles=(Profile(counters=("energy",)),)))
    after.restore(before.snapshot())
    for second, energy in enumerate((1010, 0, 30, 60), 1):
        alerts = after.feed([message("d", {"ts": START + second, "energy": energy})], START + 9)
        assert [alert.state for alert in alerts.alerts] == (["active"] if second == 4 else [])
