"""How unusual the newest reading is, against sorting and exact fractions."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.rules.interpreter import unusual
from tests.ingest.scripts import START, message, new_pipeline
from tests.ingest.windows.readings import SPECS, Reading, feed, rows_inside, stored, unique_batches
from tocsin.ingest.facts import RulePut
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.ingest.windows.zscore import FEWEST, Zscore

EVERY = np.arange(6, dtype=np.int32)

# Few series and short times: mostly more readings than are needed, some values equal.
readings = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 60).map(lambda quarter: quarter / 4),
        st.sampled_from((0.0, 0.0, 1.0, -3.0, 1e9, 1e9 + 1)),
    ),
    min_size=1,
    max_size=80,
)


def by_hand(spec: WindowSpec, given: list[Reading]) -> list[float]:
    scores = [math.nan] * len(EVERY)
    for series, rows in rows_inside(spec, given).items():
        found = unusual([(time, value) for time, _, value in rows], rows[-1][2])
        scores[series] = math.nan if found is None else found
    return scores


@given(st.sampled_from(SPECS), readings)
def test_it_agrees_with_sorting_and_bucketing(spec: WindowSpec, given: list[Reading]) -> None:
    zscore = Zscore(spec)
    so_far: list[Reading] = []
    for batch in unique_batches(given):
        feed(zscore, batch)
        so_far += batch
        found = zscore.query("zscore", EVERY).tolist()
        assert found == pytest.approx(by_hand(spec, so_far), nan_ok=True, rel=1e-6, abs=1e-6)
        for series, rows in rows_inside(spec, so_far).items():
            assert zscore.query_one("min", series) == min(row[2] for row in rows)
            assert zscore.query_one("max", series) == max(row[2] for row in rows)


@given(st.sampled_from(SPECS), readings, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(
    spec: WindowSpec, given: list[Reading], random: Random
) -> None:
    once = list({(series, time): (series, time, value) for series, time, value in given}.values())
    shuffled = Zscore(spec)
    for batch in unique_batches(random.sample(once, len(once))):
        feed(shuffled, batch)
    found = shuffled.query("zscore", EVERY).tolist()
    assert found == pytest.approx(by_hand(spec, once), nan_ok=True, rel=1e-6, abs=1e-6)


@given(st.sampled_from(SPECS), readings, readings)
def test_one_by_one_runs_and_snapshots_are_the_same_to_the_last_bit(
    spec: WindowSpec, given: list[Reading], after: list[Reading]
) -> None:
    together, alone, run, copy = Zscore(spec), Zscore(spec), Zscore(spec), Zscore(spec)
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
    vector = str(together.query("zscore", EVERY).tolist())
    for each in every:
        assert str([each.query_one("zscore", series) for series in range(6)]) == vector


def test_of_several_at_one_time_the_last_to_arrive_is_the_newest() -> None:
    one, many = Zscore(WindowSpec.hopping(60.0)), Zscore(WindowSpec.hopping(60.0))
    rows = [(0, float(second), float(second % 2)) for second in range(20)]
    rows += [(0, 19.0, 100.0), (0, 19.0, 5.0)]
    for row in rows:
        one.update_one(*row)
        feed(many, [row])
    expected = unusual([(time, value) for _, time, value in rows], 5.0)
    assert expected is not None
    assert abs(expected) < 1  # the one of 100 would be further off
    for each in (one, many):
        assert each.query_one("zscore", 0) == pytest.approx(expected)


def test_it_is_unknown_until_enough_came_before() -> None:
    zscore = Zscore(WindowSpec.hopping(60.0))
    for second in range(FEWEST):
        zscore.update_one(0, float(second), float(second % 2))
        assert math.isnan(zscore.query_one("zscore", 0))
    zscore.update_one(0, float(FEWEST), 0.5)
    assert zscore.query_one("zscore", 0) == 0.0
    zscore.update_one(0, FEWEST + 100.0, 9.0)  # the window has moved on
    assert math.isnan(zscore.query_one("zscore", 0))


@pytest.mark.parametrize("batch", [1, 60])
def test_each_device_rings_for_what_is_unusual_for_it(batch: int) -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="odd", when="abs(zscore(t, '5m')) > 5"), "ann")], START)
    sent = [
        message(device, {"ts": START + second, "t": usual + spread * (second % 3) + step})
        for second in range(40)
        for device, usual, spread in (("calm", 20.0, 0.1), ("wild", 500.0, 50.0))
        for step in [3.0 if second == 30 else 0.0]
    ]
    rung: list[tuple[str | None, float]] = []
    for first in range(0, len(sent), batch):
        alerts = pipeline.feed(sent[first : first + batch], START + 50 + first).alerts
        rung += [(alert.device, alert.began_at - START) for alert in alerts if alert.active]
    assert rung == [("calm", 30.0)]
