"""Sessions of rules, against sorting all readings and cutting where a gap is."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.ingest.scripts import START, message, new_pipeline
from tests.ingest.windows.readings import Reading, feed, stored, unique_batches
from tocsin.ingest.facts import RulePut
from tocsin.ingest.rules.functions import OF_SESSIONS
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.windows.open_session import MOST, OpenSession

EVERY = np.arange(6, dtype=np.int32)
GAPS = st.sampled_from((1.0, 2.5, 4.0))
LATENESS_S = 30.0

readings = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 119).map(lambda quarter: quarter / 4),
        st.integers(-9, 9).map(float),
    ),
    min_size=1,
    max_size=60,
)


def no_counters(series: NDArray[np.int32]) -> NDArray[np.bool_]:
    return np.zeros(len(series), np.bool_)


def session(gap_s: float, lateness_s: float = LATENESS_S) -> OpenSession:
    return OpenSession(gap_s, no_counters, lambda _: lateness_s)


def by_hand(gap_s: float, given: list[Reading], series: int) -> dict[str, float]:
    """The answers of all functions: readings in order of time and arrival, back to a gap."""
    rows = sorted(
        (time, arrival, value) for arrival, (s, time, value) in enumerate(given) if s == series
    )
    if not rows:
        return dict.fromkeys(OF_SESSIONS, math.nan)
    begin = len(rows) - 1
    while begin and rows[begin][0] - rows[begin - 1][0] < gap_s:
        begin -= 1
    values = [value for *_, value in rows[begin:]]
    times = [time for time, *_ in rows[begin:]]
    # Of several readings of one time the last to arrive is the newest, the first the oldest.
    change, lasted = values[-1] - values[0], times[-1] - times[0]
    return {
        "count": len(values),
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "avg": sum(values) / len(values),
        "first": values[0],
        "last": values[-1],
        "delta": change if len(values) > 1 else math.nan,
        "rate": change / lasted if lasted else math.nan,
        "duration": lasted,
    }


def asked(of: OpenSession, series: int) -> dict[str, float]:
    return {name: of.query_one(f"session {name}", series) for name in OF_SESSIONS}


# A second reading of the time at which an older session began, which then is joined.
@example(2.5, [(0, 0.0, 1.0), (0, 4.0, 2.0), (0, 0.0, 9.0), (0, 2.0, 3.0)])
@given(GAPS, readings)
def test_it_agrees_with_sorting_and_cutting_after_every_reading(
    gap_s: float, given: list[Reading]
) -> None:
    of = session(gap_s)
    so_far: list[Reading] = []
    for batch in unique_batches(given):
        feed(of, batch)
        so_far += batch
        for series in EVERY.tolist():
            assert asked(of, series) == pytest.approx(by_hand(gap_s, so_far, series), nan_ok=True)


@given(GAPS, readings, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(
    gap_s: float, given: list[Reading], random: Random
) -> None:
    once = list({(series, time): (series, time, value) for series, time, value in given}.values())
    shuffled, in_order = session(gap_s), session(gap_s)
    for reading in random.sample(once, len(once)):
        shuffled.update_one(*reading)
    for reading in sorted(once):
        in_order.update_one(*reading)
    for series in EVERY.tolist():
        assert asked(shuffled, series) == pytest.approx(asked(in_order, series), nan_ok=True)


@given(GAPS, readings, readings)
def test_one_by_one_runs_and_snapshots_are_the_same_to_the_last_bit(
    gap_s: float, given: list[Reading], after: list[Reading]
) -> None:
    # Thirds, whose sums depend on the order.
    given = [(series, time, value / 3) for series, time, value in given]
    together, alone, run, copy = (session(gap_s) for _ in range(4))
    for batch in unique_batches(given):
        feed(together, batch)
    for reading in given:
        alone.update_one(*reading)
    for series in range(3):
        own = [(t, v) for s, t, v in given if s == series]
        run.update_run(series, np.array([t for t, _ in own]), np.array([v for _, v in own]))
    copy.load(stored(alone.state()))
    every = (together, alone, run, copy)
    for reading in after:
        for each in every:
            each.update_one(*reading)
    for name in OF_SESSIONS:
        vector = str(together.query(f"session {name}", EVERY).tolist())
        for each in every:
            assert str([each.query_one(f"session {name}", one) for one in range(6)]) == vector


@given(st.integers(1, 50_000), st.integers(0, 10**15))
def test_a_reading_just_a_gap_later_begins_another(gap_ms: int, since_us: int) -> None:
    gap_s = gap_ms / 1000
    for late_us, number in ((gap_ms * 1000 - 1, 2), (gap_ms * 1000, 1)):
        one, many = session(gap_s), session(gap_s)
        rows = [(0, at / 1e6, 1.0) for at in (since_us, since_us + late_us)]
        for row in rows:
            one.update_one(*row)
            feed(many, [row])
        assert [each.query_one("session count", 0) for each in (one, many)] == [number] * 2


def test_what_no_reading_can_reach_is_let_go() -> None:
    of = session(1.0, lateness_s=10.0)
    for second in range(0, 2000, 2):
        of.update_one(0, float(second), 1.0)
    assert of.state()["sessions"].tolist() == [5]  # those that end 11 s before the newest, or less
    of = session(1.0, lateness_s=1e6)
    for second in range(0, 2000, 2):
        of.update_one(0, float(second), 1.0)
    assert of.state()["sessions"].tolist() == [MOST]


def test_the_growth_of_counters_is_unknown() -> None:
    of = OpenSession(10.0, lambda series: series == 1, lambda _: 60.0)
    for second in range(5):
        for series in (0, 1):
            of.update_one(series, float(second), 2.0 * second)
    for name, answer in (("delta", 8.0), ("rate", 2.0)):
        found = of.query(f"session {name}", np.array([0, 1], np.int32))
        assert str(found.tolist()) == str([answer, math.nan])


@pytest.mark.parametrize("batch", [1, 60])
def test_a_late_reading_joins_two_sessions_and_rings(batch: int) -> None:
    pipeline = new_pipeline()
    pipeline.feed(
        [
            RulePut(Rule(name="long", when="duration(rpm, 'session 30s') > 50"), "ann"),
            RulePut(Rule(name="window", when="count(rpm, '30s') > 50"), "ann"),
        ],
        START,
    )
    offsets = (0, 20, 55, 75, 40, 76)  # without the late one: 20 s, and 21 s
    sent = [message("mill", {"ts": START + second, "rpm": 9}) for second in offsets]
    rang: list[tuple[str, int]] = []
    for begin in range(0, len(sent), batch):
        alerts = pipeline.feed(sent[begin : begin + batch], START + 80).alerts
        rang += [(alert.rule, begin) for alert in alerts if alert.active]
    assert rang == [("long", 5 if batch == 1 else 0)]
