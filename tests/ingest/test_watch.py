"""Readings that cannot turn a rule are not judged, and that changes nothing."""

import os
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.rules.interpreter import Value
from tests.ingest.rules.trees import conditions
from tests.ingest.scripts import START, Events, feed, message, new_pipeline
from tocsin.ingest import judge
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.facts import RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.rule import Rule

Sample = tuple[
    str, float, float, dict[str, Value]
]  # device, seconds after the one before, ts, values

TYPICAL = (
    "a > 3",
    "a >= 3",
    "a < 2",
    "a <= 2 and b != 4",
    "a == 3",
    "abs(a) > 3",
    "abs(a) <= 1",
    "not a > 2",
    "1 < a <= 4",
    "a > 3 and b > 3",
    "a > 3 or b > 3",
    "a > 2 and max(a, '10s') > 4",
    "max(a, '10s') > 4",
    "min(b, '10s') < 1",
    "max(a, '10s') < 3",
    "avg(a, '10s') > 3",
    "avg(a, '1s') <= 2",
    "last(a, '10s') >= 4",
    "first(a, '10s') > 3",
    "first(a, '1s') <= 1",
    "p95(a, '10s') > 3",
    "p50(a, '10s') >= 3 and b > 1",
    "p90(b, '10s') < 2",
    "stddev(a, '10s') > 2",
    "stddev(b, '10s') >= 0.7 and a > 1",
    "stddev(a, '10s') < 1",
    "delta(a, '10s') > 2",
    "delta(b, '10s') < -2",
    "delta(b, '10s') > 2 and a > 3",
    "rate(a, '10s') > 0.5 and b > 3",
    "rate(a, '10s') > 0.5",
    "rate(b, '1s') < -1",
    "delta(p, '10s') > 6",
    "twa(a, '10s') > 3",
    "twa(b, '1s') <= 1 and a > 2",
    "abs(a - twa(a, '10s')) > 3",
    "time_in(a, true, '10s') > 2",
    "time_in(s, 'run', '10s') >= 1 or a > 4",
    "rate(p, '10s') > 1 and a > 2",
    "abs(delta(p, '10s')) > 2 * a",
    "rate(a, '10s') > 0.5 or b > 4",
    "count(a, '1s') >= 3 and a > 2",
    "age(b) > 3 and a > 2",
    "flatline(a, '1s')",
    "not flatline(b, '1s') and a > 2",
    "a > 3 and hour() >= 4",
    "hour() == 4 or b > 4",
    "b < 2 and (hour() != 4 or weekday() > 3)",
    "s == 'run'",
    "s != 'run' and a > 1",
    "s > 3",
    "count(s, '10s') > 2",
    "abs(a - avg(a, '10s')) > 3",
    "a - first(a, '10s') > 2 and b > 3",
    "max(a, '10s') - min(a, '10s') >= 3",
    "a > b",
    "a + b < -3 or a * b > 9",
    "a / b > 2",
    "2 * a - b >= max(b, '1s') + 3",
    "abs(a) + stddev(a, '10s') > 4",
    "round(a) == 5",
    "-a > avg(b, '10s') + 1",
    "abs(delta(a, '10s')) > 4",
    "a > 2 * avg(a, '10s') or a < -s",
    "a * a * a > 1e306",
    "a > 1e308 or a < -1e308",
    "avg(a, '10s') > 1e308",
)
NUMBERS = (*map(float, range(-4, 6)), 0.1, 2.9999999999999996, 3.0000000000000004, True, False)
HUGE = (1.7e308, -1.7e308)
TEXTS = ("run", "stop", "", 4.0)  # a number last: a text that becomes one
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
AFTER_S = (0.0, 0.0, 0.1, 0.5, 2.0, 9.0)
AHEAD_S = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, -0.5, -3.0, -59.0, -200.0)


LONG = os.environ.get("LONG_TESTS") == "long"


def samples(when: str) -> int:
    """So many that every mutant found with 300 of them was. Most show within 80; a bound that
    ends at an event time, as of spans, takes up to 200 to be passed."""
    return 300 if LONG or "delta(" in when or "rate(" in when else 120


def some(random: Random, count: int, devices: str = "de") -> Iterator[Sample]:
    """Samples with much that is equal, near a limit, or beyond all measure."""
    for _ in range(count):
        values: dict[str, Value] = {}
        for metric in "abp":
            if random.random() < 0.6:
                values[metric] = random.choice(NUMBERS if random.random() < 0.99 else HUGE)
        if random.random() < 0.3:
            values["s"] = random.choice(TEXTS[: 3 + (random.random() < 0.05)])
        yield random.choice(devices), random.choice(AFTER_S), random.choice(AHEAD_S), values


trees = conditions(["a", "b"], ["s"])
texts = st.sampled_from(TYPICAL) | trees.filter(lambda tree: bool(check(tree).metrics)).map(
    print_expression
)


def put(index: int, when: str, clear: str | None) -> RulePut:
    rule = Rule(name=f"rule {index}", when=when, clear=clear)
    return RulePut(rule, "ann")


def alerts_of(
    pipeline: Pipeline, batch: Sequence[Sample], *, looks_at_all: bool = False
) -> list[Alert]:
    """Feed samples one by one; where it `looks_at_all`, every rule is asked."""
    events, now = Events(), START
    if looks_at_all:
        look_at_all(pipeline)
    for device, after_s, ahead, values in batch:
        now += after_s
        sent = [message(device, {"ts": now + ahead} | values)] if values else []
        feed(pipeline, sent, now, events)
    return events.alerts


def look_at_all(pipeline: Pipeline) -> None:
    """Know of no bounds from here on."""
    judging: Any = pipeline._judge  # pyright: ignore[reportPrivateUsage]

    def none(*_: object) -> None:
        pass

    judging._bounds = none


def compare(asked: Sequence[tuple[str, str | None]], given: Sequence[Sample]) -> None:
    rules = [put(index, when, clear) for index, (when, clear) in enumerate(asked)]
    calm, restless = new_pipeline(), new_pipeline()
    calm.feed(rules, START)
    restless.feed(rules, START)
    assert alerts_of(calm, given) == alerts_of(restless, given, looks_at_all=True)


@pytest.mark.parametrize("when", TYPICAL)
def test_a_rule_turns_as_if_every_reading_were_judged(when: str) -> None:
    compare([(when, None)], list(some(Random(when), samples(when))))


@pytest.mark.parametrize("change", ["delta(b, '10s') > 2", "rate(b, '10s') > 0.5"])
def test_what_is_true_already_keeps_nothing_calm(change: str) -> None:
    values: list[dict[str, Value]] = [{"b": -3}, {"b": -3}, {"a": 4}, {"a": 0}, {"b": 3}, {"a": 5}]
    given = [("d", 1.0, 0.0, each) for each in values]
    pipeline = new_pipeline()
    pipeline.feed([put(0, f"{change} and a > 3", None)], START)
    assert [alert.began_at for alert in alerts_of(pipeline, given)] == [START + 6.0]


@pytest.mark.parametrize("clear", TYPICAL)
def test_a_rule_clears_as_if_every_reading_were_judged(clear: str) -> None:
    compare([("a > 3 or b > 3", clear)], list(some(Random(clear), samples(clear))))


@pytest.mark.parametrize("when", TYPICAL)
@pytest.mark.parametrize("calmed_at_once", [0, 20])
def test_a_large_batch_turns_rules_as_its_messages_do_one_by_one(
    when: str, calmed_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are bounded at once, and those that are judged together because they are not."""
    monkeypatch.setattr(judge, "_CALMED_AT_ONCE", calmed_at_once)
    random, now = Random(when), START
    together, apart, events, others = new_pipeline(), new_pipeline(), Events(), Events()
    look_at_all(apart)
    for pipeline in (together, apart):
        pipeline.feed([put(0, when, None), put(1, "a > 4 and b > 0", "a < 0")], START)
        # What kind a series is holds for a whole batch.
        pipeline.feed([message(device, {"a": 0.5, "b": 0.5}) for device in ALPHABET], START)
    for _ in range(12 if LONG else 6):
        now += random.choice((0.5, 3.0))
        batch = [
            message(device, {"ts": now + ahead} | values)
            for device, _, ahead, values in some(random, 60, ALPHABET)
            if values and values.get("s") != TEXTS[-1]
        ]
        feed(together, batch, now, events)
        for each in batch:
            feed(apart, [each], now, others)
    assert events.alerts == others.alerts


@given(st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=4), st.integers(0))
@settings(max_examples=60)
def test_rules_turn_as_if_every_reading_were_judged(
    asked: list[tuple[str, str | None]], seed: int
) -> None:
    compare(asked, list(some(Random(seed), 40)))


def ringing(when: str, *rows: tuple[float, float]) -> list[bool]:
    """Whether a rule holds after each reading of `a`, given as (event time, value)."""
    pipeline = new_pipeline()
    pipeline.feed([put(0, when, None)], START)
    holds: list[bool] = []
    for time, value in rows:
        pipeline.feed([message("d", {"ts": START + time, "a": value})], START + 10)
        holds.append(any(alert.active for alert in pipeline.alerts.open()))
    return holds


def test_what_held_when_the_window_began_counts_beside_its_readings() -> None:
    """Of the two windows of 10 s one has readings only: 5 was read before and held until now."""
    when = "twa(a, '10s') > 3 and max(a, '10s') < 99"
    assert ringing(when, (0, 1.0), (1, 5.0), (30, 0.0)) == [False, False, True]


def test_a_reading_out_of_order_is_not_overlooked() -> None:
    calm = [(time, 1.0) for time in range(6)]
    holds = ringing("delta(a, '10s') > 2", *calm, (-2.0, -3.0), (6.0, 1.5))
    assert holds == [*[False] * 7, True]


def test_a_sum_that_overflows_is_not_overlooked() -> None:
    assert ringing("avg(a, '10s') > 1.75e308", (0, 1.7e308), (1, 1.7e308)) == [False, True]
