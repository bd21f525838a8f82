"""Replay = live: what stored readings ring is what they rang when they arrived."""

from collections.abc import Sequence
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ingest.scripts import (
    PROFILES,
    START,
    TIMEZONE,
    Events,
    Played,
    begins_anew,
    feed,
    finish,
    group_rules,
    message,
    new_pipeline,
    readings,
    rules,
)
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.happenings import Happenings
from tocsin.ingest.backtest.preparation import scope_of
from tocsin.ingest.backtest.readings import StoredReadings
from tocsin.ingest.backtest.replay import Replay, SeriesTable
from tocsin.ingest.facts import (
    Derived,
    DerivedRow,
    DevicesExpected,
    Record,
    RuleFileLoaded,
    RulePut,
    Started,
)
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import validate

DELAYS = ("0s", "2s", "30s")
GAPS_S = (0.0, 0.5, 1.0, 7.0, 40.0, 600.0)


def table_of(pipeline: Pipeline) -> SeriesTable:
    catalogue = pipeline.catalogue
    count = catalogue.series_count
    return SeriesTable(
        catalogue.devices,
        catalogue.metrics,
        catalogue.device.values[:count],
        catalogue.metric.values[:count],
        catalogue.kind.values[:count],
        catalogue.derived.values[:count] != 0,
        catalogue.texts,
    )


def stored(events: Events, order: Sequence[int] | None = None) -> StoredReadings:
    """The readings as history gives them back: in microseconds, in any order."""
    kept = events.readings if order is None else [events.readings[n] for n in order]
    return StoredReadings(
        np.array([each.series for each in kept], np.int32),
        np.array([round(each.time * 1e6) for each in kept], np.int64),
        np.array([each.value for each in kept], np.float64),
        np.array([each.late for each in kept], np.bool_),
        np.array([round(each.arrival * 1e6) for each in kept], np.int64),
        np.array([each.row for each in kept], np.int32),
    ).in_order()


def replayed(
    pipeline: Pipeline, readings: StoredReadings, rules: Sequence[Rule], start: float, end: float
) -> list[Alert]:
    """What `rules` ring that are in force from `start` on, of what `pipeline` saw."""
    found: list[Alert] = []
    checked = [validate(rule) for rule in rules if rule.enabled]
    table = table_of(pipeline)
    profiles = PROFILES * len(table.devices)
    replay = Replay(table, checked, FlapLimits(), found.append, TIMEZONE, profiles)
    expected = pipeline.absence.expected_since()
    happenings = Happenings(
        [],
        pipeline.downtime.before(end),
        [(pipeline.catalogue.devices[device], at) for device, at in expected.items()],
    )
    before = int(np.searchsorted(readings.arrival, round(start * 1e6)))
    taken = sum(
        sum(replay.take(part)) for part in happenings.between(replay, readings.only(slice(before)))
    )
    happenings.until(replay, start)
    replay.put_in_force(start)
    for part in happenings.between(replay, readings.only(slice(before, None))):
        taken += sum(replay.take(part))
    assert taken == len(readings)
    happenings.until(replay, end)
    replay.finish(end)
    return found


def as_started(alert: Alert) -> Alert:
    """With what started it in place of what a rule saw at the end of a timer: a backtest has only
    that."""
    cause = alert.cause
    if cause is None or cause.started_by is None:
        return alert
    return replace(alert, cause=replace(cause, evidence=cause.started_by, started_by=None))


def in_order(alerts: Sequence[Alert]) -> list[Alert]:
    """Of different devices that turn at one instant none is first."""
    started = map(as_started, alerts)
    return sorted(
        started, key=lambda alert: (alert.cause.at if alert.cause else 0.0, alert.subject)
    )


def played(script: Sequence[tuple[float, Sequence[Record]]], begins: float = START) -> Played:
    at, steps = begins, list[tuple[float, list[Record]]]()
    for after_s, records in script:
        before = at
        # No server starts in the microsecond of a reading before: history could not tell them.
        at += max(after_s, 0.5) if begins_anew(records) else after_s
        # It was there until what it journalled last, also if that was no news.
        steps.append((at, [_started_after(each, before) for each in records]))
    return steps


def _started_after(record: Record, before: float) -> Record:
    if isinstance(record, Started) and record.last_at is not None:
        return Started(record.version, before)
    return record


BATCHES = st.lists(
    st.tuples(
        st.sampled_from(GAPS_S),
        st.lists(readings(), min_size=1, max_size=9) | st.just([Started("1", START)]),
    ),
    min_size=1,
    max_size=15,
)
RULES = st.lists(
    rules(("one", "two", "three"), DELAYS) | group_rules(("one", "two", "four"), DELAYS),
    max_size=3,
    unique_by=lambda rule: rule.name,
)


@given(BATCHES, RULES, st.randoms())
@settings(max_examples=80)
def test_stored_readings_ring_as_they_did(
    script: list[tuple[float, list[Record]]], rules: list[Rule], random: Random
) -> None:
    """Whatever is late, repeated, without a time, from the future, of another kind, or after an
    outage; each alert with its id, times, value, message and revision."""
    pipeline, events = new_pipeline(), Events()
    feed(pipeline, [RuleFileLoaded(rules)], START, events)
    steps = played(script)
    for at, records in steps:
        feed(pipeline, records, at, events)
    end = steps[-1][0] + 100.0
    feed(pipeline, [], end, events)
    finish(pipeline, end, events)
    order = list(range(len(events.readings)))
    random.shuffle(order)
    readings = stored(events, order)
    found = replayed(pipeline, readings, rules, START, end)
    assert in_order(found) == in_order(events.alerts)


@given(BATCHES, BATCHES, rules(("one",), DELAYS))
@settings(max_examples=100)
def test_from_its_start_on_a_backtest_is_what_a_new_rule_does(
    before: list[tuple[float, list[Record]]], after: list[tuple[float, list[Record]]], rule: Rule
) -> None:
    """The windows of the new rule are there: another rule reads them."""
    pipeline, events = new_pipeline(), Events()
    twin = Rule(name="twin", when=rule.when, clear=rule.clear, enabled=True)
    feed(pipeline, [RulePut(twin, "ann")], START, events)
    steps = played(before)
    for at, records in steps:
        feed(pipeline, records, at, events)
    start = steps[-1][0] + 1.0
    feed(pipeline, [RulePut(rule, "ann")], start, events)
    for at, records in played(after, start):
        feed(pipeline, records, at, events)
    end = start + 10_000.0
    feed(pipeline, [], end, events)
    finish(pipeline, end, events)
    rang = [alert for alert in events.alerts if alert.rule == "one"]
    found = replayed(pipeline, stored(events), [rule], start, end)
    assert in_order(found) == in_order(rang)


def test_what_is_older_than_arrival_times_is_judged_at_its_event_times() -> None:
    """Files of format 1 have no rows: what is of one device and time came together."""
    pipeline, events = new_pipeline(), Events()
    rule = Rule(name="both", when="t > 50 and p > 50")
    feed(pipeline, [RulePut(rule, "ann")], START, events)
    for n, row in enumerate(({"t": 60, "p": 10}, {"t": 10, "p": 60}, {"t": 60, "p": 60})):
        feed(pipeline, [message("a", row | {"ts": START + n})], START + n, events)
    finish(pipeline, START + 10, events)
    whole = stored(events)
    old = StoredReadings(
        whole.series, whole.time, whole.value, whole.late, whole.time, np.full(6, -1, np.int32)
    )
    by_series = old.only(np.argsort(old.series, kind="stable")).in_order()
    found = replayed(pipeline, by_series, [rule], START, START + 10)
    assert found == events.alerts
    assert [alert.began_at for alert in found] == [START + 2]


def test_a_replay_misses_who_was_expected_and_hears_no_function() -> None:
    """`p` was expected and never came; `a` fell silent, and a function went on to speak of it."""
    pipeline, events = new_pipeline(), Events()
    rule = Rule(name="gone", when="absent(t, '60s')")
    feed(pipeline, [RulePut(rule, "ann"), DevicesExpected(["p", "a"])], START, events)
    feed(pipeline, [message("a", {"t": 1})], START + 10, events)
    made = DerivedRow("a", START + 10, {"double": 2.0})
    for at in (20.0, 40.0, 69.0):
        feed(pipeline, [Derived("f.double", [made])], START + at, events)
    feed(pipeline, [message("b", {"t": 1})], START + 200, events)
    finish(pipeline, START + 200, events)
    found = replayed(pipeline, stored(events), [rule], START, START + 200)
    assert found == events.alerts
    assert [(alert.subject, round((alert.raised_at or 0) - START, 2)) for alert in found] == [
        ("p", 60.0),
        ("a", 70.0),
    ]


def test_a_group_has_no_device_that_was_not_there_yet() -> None:
    """No hour is the 24th, so the condition is known of a device that has sent nothing."""
    pipeline, events = new_pipeline(), Events()
    rule = Rule(name="few", when="count_devices(t > 50 and hour() >= 24) < 2", message="{count}")
    feed(pipeline, [RulePut(rule, "ann")], START, events)
    feed(pipeline, [message("a", {"t": 0})], START + 5, events)
    feed(pipeline, [message("b", {"t": 0})], START + 7200, events)
    finish(pipeline, START + 7200, events)
    found = replayed(pipeline, stored(events), [rule], START, START + 7200)
    assert found == events.alerts
    assert [alert.began_at for alert in found] == [START + 5]


def test_a_replay_looks_at_many_that_fall_silent_among_readings() -> None:
    """More rows in a batch than devices, and some of them silent for a while, again and again."""
    pipeline, events = new_pipeline(), Events()
    rule = Rule(name="gone", when="age(t) > 7 and p > 50 or age(p) >= 20")
    feed(pipeline, [RulePut(rule, "ann")], START, events)
    random = Random(5)
    for second in range(600):
        devices = [f"d{n}" for n in range(12) if random.random() < 0.15]
        rows = [
            {"t": 1.0} if random.random() < 0.5 else {"p": random.random() * 100} for _ in devices
        ]
        sent = [message(device, row) for device, row in zip(devices, rows, strict=True)]
        feed(pipeline, sent, START + second, events)
    feed(pipeline, [], START + 600, events)
    finish(pipeline, START + 600, events)
    found = replayed(pipeline, stored(events), [rule], START, START + 600)
    assert in_order(found) == in_order(events.alerts)
    assert len(found) > 100


def test_how_far_back_a_backtest_reads_before_it_begins() -> None:
    pipeline = new_pipeline()
    pipeline.feed([message("a", {"ts": START, "t": 1})], START)
    for when, back_s in (
        ("t > 5", 3600.0),
        ("avg(t, '2h') > 5", 7200.0),
        ("avg(t, 'session 30s') > 5", 86400.0),
        ("count_devices(count(t, 'session 30s') > 5) > 1", 86400.0),
    ):
        checked = validate(Rule(name="r", when=when))
        scope = scope_of([checked], pipeline.catalogue, START, START + 10, {})
        assert START - scope.since == back_s, when
