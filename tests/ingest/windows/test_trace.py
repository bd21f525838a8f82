"""Windows that keep their readings, against sorting, for readings in any order, late and repeated.

In these tests every odd series is a counter.
"""

import math
import re
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
from tocsin.ingest.rules.validation import RuleError, validate
from tocsin.ingest.settings import Settings
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.ingest.windows.trace import MOST, Trace

FUNCTIONS = ("delta", "rate", "twa", "min", "max")
STATE = 7.0
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
        lasted = held(spec, [reading for reading in given if reading[0] == series])
        total = sum(for_s for _, for_s in lasted)
        answers |= {
            ("twa", series): sum(v * for_s for v, for_s in lasted) / total if total else values[-1],
            ("time_in", series): sum(for_s for value, for_s in lasted if value == STATE),
            ("delta", series): change if len(inside) > 1 else math.nan,
            ("rate", series): change / span if span > 0 else math.nan,
        }
    return answers


def held(spec: WindowSpec, given: Sequence[Reading]) -> list[tuple[float, float]]:
    """The values of one series, and for how many seconds of the window each of them held."""
    by_time = {time: value for _, time, value in given}
    times = sorted(by_time)
    begin = times[-1] - spec.size_s
    return [(by_time[a], b - max(a, begin)) for a, b in pairwise(times) if b > begin]


def ask(trace: Trace, function: str, series: NDArray[np.int32]) -> list[float]:
    if function == "time_in":
        return trace.time_in(STATE, series).tolist()
    return trace.query(function, series).tolist()


@given(st.sampled_from(SPECS), readings)
def test_a_trace_agrees_with_sorting(spec: WindowSpec, given: list[Reading]) -> None:
    trace = Trace(spec, odd)
    for end, batch in enumerate(unique_batches(given), 1):
        feed(trace, batch)
        so_far = [reading for each in unique_batches(given)[:end] for reading in each]
        for (function, series), answer in expected(spec, so_far).items():
            (found,) = ask(trace, function, np.array([series], np.int32))
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
        given.append(
            (
                random.choice((0, 1, 1)),
                now - random.choice((0, 0, 9)),
                random.choice((random.random(), STATE)),
            )
        )
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
    assert len({str(each.time_in(STATE, EVERY)) for each in (alone, together, run)}) == 1
    for function in FUNCTIONS:
        answers = {str(each.query(function, EVERY).tolist()) for each in (alone, together, run)}
        assert len(answers) == 1, function
        assert answers == {str([alone.query_one(function, series) for series in range(6)])}
    found = expected(spec, given)
    for (function, series), answer in found.items():
        (one,) = ask(alone, function, np.array([series], np.int32))
        assert one == pytest.approx(answer, nan_ok=True)


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
        answers.append(str([ask(trace, each, EVERY) for each in (*FUNCTIONS, "time_in")]))
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
    assert np.isnan(trace.time_in(1.0, np.array([-1, 0, 9_999], np.int32))).all()
    for function in FUNCTIONS:
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


def test_a_state_lasts_while_nothing_is_reported_and_over_what_the_window_left_behind() -> None:
    pipeline = new_pipeline()
    rule = Rule(name="long", when="time_in(state, 'open', '1m') >= 45")
    pipeline.feed([RulePut(rule, "ann")], START)
    seen: list[tuple[str, float]] = []
    for second, state in ((0, "open"), (300, "open"), (310, "shut"), (326, "shut"), (600, "shut")):
        sent = message("door", {"ts": START + second, "state": state})
        alerts = pipeline.feed([sent], START + second).alerts
        seen += [(alert.state, float(second)) for alert in alerts]
    assert seen == [("active", 300.0), ("cleared_unacknowledged", 326.0)]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("time_in(state, temp, '1m') > 3", "'temp' is no value; time_in needs one at column 16"),
        ("time_in(state, '1m') > 3", "expected 3 (metric, state, window)"),
        ("time_in(3, 'on', '1m') > 3", "time_in needs the name of a metric"),
    ],
)
def test_a_state_is_a_value(when: str, said: str) -> None:
    with pytest.raises(RuleError, match=re.escape(said)):
        validate(Rule(name="x", when=when))
