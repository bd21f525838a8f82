"""Runs of equal readings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.rules.interpreter import flat
from tests.ingest.scripts import START, message, new_pipeline
from tests.ingest.windows.readings import stored
from tocsin.ingest.facts import RulePut
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.ingest.windows.steady import Steady

SPEC = WindowSpec.hopping(10.0)
EVERY = np.arange(3, dtype=np.int32)

readings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40).map(float), st.sampled_from([0.0, 1.0]))
)


@given(readings, st.integers(0, 40))
def test_it_agrees_with_the_oracle_in_both_forms_and_over_a_snapshot(
    given: list[tuple[int, float, float]], cut: int
) -> None:
    single, many = Steady(SPEC), Steady(SPEC)
    for index, (series, time, value) in enumerate(given):
        if index == cut:
            again = Steady(SPEC)
            again.load(stored(single.state()))
            single = again
        single.update_one(series, time, value)
        many.update(np.array([series], np.int32), np.array([time]), np.array([value]))
    for series in range(3):
        expected = flat_of([(t, v) for s, t, v in given if s == series])
        assert str(single.query_one("flatline", series)) == expected
    assert str(single.query("flatline", EVERY).tolist()) == str(
        many.query("flatline", EVERY).tolist()
    )


def flat_of(history: list[tuple[float, float]]) -> str:
    truth = flat(history, 10.0) if history else None
    return "nan" if truth is None else str(float(truth))


@pytest.mark.parametrize("batch", [1, 40])
def test_a_stuck_sensor_rings_and_one_that_moves_again_is_over(batch: int) -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="stuck", when="flatline(t, '10s')"), "ann")], START)
    values = [20.0, 21.0, *[21.5] * 11, 21.6]  # 21.5 from second 2 to 12
    sent = [message("d", {"ts": START + n, "t": value}) for n, value in enumerate(values)]
    seen: list[tuple[str, float]] = []
    for first in range(0, len(sent), batch):
        alerts = pipeline.feed(sent[first : first + batch], START + 20 + first).alerts
        seen += [(alert.state, alert.began_at - START) for alert in alerts]
    assert seen == [("active", 12.0), ("cleared_unacknowledged", 12.0)]


def test_what_was_not_seen_for_long_enough_neither_rings_nor_clears() -> None:
    pipeline = new_pipeline()
    rule = Rule(name="moves", when="not flatline(t, '10s')")
    pipeline.feed([RulePut(rule, "ann")], START)
    for second in range(1, 10):
        assert not pipeline.feed([message("d", {"t": 5.0})], START + second).alerts
    assert len(pipeline.feed([message("d", {"t": 6.0})], START + 10).alerts) == 1
