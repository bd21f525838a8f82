"""A fault of ours costs the message, the rule or the fact it happens in, and nothing else.

The real parts run; one of them is broken on purpose, for one device, rule or call.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.ingest.scripts import START, Events, feed, finish, message, new_pipeline
from tocsin.devices.formats import Decoded, Decoder, Rejected, Unclaimed
from tocsin.devices.storage.database import Database
from tocsin.ingest import intake
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import RulePut
from tocsin.ingest.judge import Judge
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.plausibility import Plausibility
from tocsin.ingest.presence import PresenceBook
from tocsin.ingest.recent import RecentReadings
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleSet
from tocsin.ingest.settings import Settings
from tocsin.ingest.sight import DeviceSight, RoundSight
from tocsin.ingest.watch import Watch

RULES = [Rule(name="hot", when="t > 80"), Rule(name="bad", when="p > 5 and p < 1e9")]


class Broken(Exception):
    pass


class BrokenDecoder(Decoder):
    """Cannot take one payload."""

    def __call__(self, topic: str, payload: bytes) -> Decoded | Rejected | Unclaimed:
        if b"666" in payload:
            raise Broken
        return self.decode(topic, payload)


def breaking(
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    breaks: Callable[[tuple[Any, ...]], bool],
) -> None:
    """Let a method, or a function of a module, raise when `breaks` says so about its arguments."""
    whole = getattr(owner, name)

    def broken(*arguments: Any, **named: Any) -> Any:
        if breaks(arguments[1:] if isinstance(owner, type) else arguments):
            raise Broken
        return whole(*arguments, **named)

    monkeypatch.setattr(owner, name, broken)


def ruled(decoder: Decoder | None = None) -> Pipeline:
    pipeline = Pipeline(Settings(), decoder or Decoder())
    pipeline.feed([RulePut(rule, "ann") for rule in RULES], START - 1)
    return pipeline


def played(pipeline: Pipeline, batch: list[Any]) -> tuple[list[str], list[tuple[str, float]], int]:
    """Who rings, which readings came out, and how many faults there were."""
    events = Events()
    feed(pipeline, batch, START, events)
    finish(pipeline, START, events)
    ringing = [alert.subject for alert in events.alerts if alert.rule == "hot"]
    return ringing, [(d, v) for d, _, _, v, *_ in events.readings], pipeline.faults.total


NEIGHBOURS = [message("a", {"t": 90}), message("b", {"t": 91})]


@pytest.mark.parametrize("payload", [b'{"t": 666}', b'[{"t": 1}, {"t": 666}]'])
def test_a_fault_of_the_decoder_costs_its_message(payload: bytes) -> None:
    pipeline = ruled(BrokenDecoder())
    ringing, readings, faults = played(
        pipeline, [NEIGHBOURS[0], message("x", payload), NEIGHBOURS[1]]
    )
    assert (ringing, readings, faults) == (["a", "b"], [("a", 90), ("b", 91)], 1)
    device = pipeline.device("x")
    assert device is not None
    assert (device.messages_total, device.rejected_total, device.readings_total) == (1, 1, 0)
    assert device.last_rejected is not None
    assert device.last_rejected.reason == "a fault of the server: Broken()"


def test_a_fault_while_rows_are_admitted_costs_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, Catalogue, "admit_text", lambda of: of[1] == "boom")
    pipeline = ruled()
    rows = [{"t": 99, "lat": 1, "lon": 2, "ts": START}, {"t": 5, "s": "boom"}]
    ringing, readings, faults = played(pipeline, [NEIGHBOURS[0], message("x", rows), NEIGHBOURS[1]])
    assert (ringing, readings, faults) == (["a", "b"], [("a", 90), ("b", 91)], 1)
    device = pipeline.device("x")
    assert device is not None
    assert (device.messages_total, device.rejected_total, device.position) == (1, 1, None)


@pytest.mark.parametrize("few", [8, 0], ids=["by way of lists", "as arrays"])
def test_a_fault_in_making_columns_costs_its_row(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_FEW", few)
    pipeline = ruled()
    played(pipeline, [message(name, {"ts": START - 9, "t": 1}) for name in "axb"])
    breaking(monkeypatch, intake, "_in_seconds", lambda _: START - 7 in _[0])
    breaking(monkeypatch, intake, "_one_in_seconds", lambda _: _[0] == START - 7)
    rows = [{"ts": START - 1, "t": 92}, {"ts": START - 2, "t": 93, "lat": 1, "lon": 2}]
    batch = [
        message("a", {"ts": START - 3, "t": 90}),
        message("x", {"ts": START - 7, "t": 99}),
        message("c", rows),
        message("b", {"ts": START - 5, "t": 91}),
    ]
    ringing, readings, faults = played(pipeline, batch)
    assert (ringing, faults) == (["a", "c", "b"], 1)
    position = [("c", 1), ("c", 2)]
    assert sorted(readings) == [("a", 90), ("b", 91), *position, ("c", 92), ("c", 93)]
    for name, counts in {"a": (2, 0, 2), "x": (2, 1, 1), "b": (2, 0, 2), "c": (1, 0, 4)}.items():
        device = pipeline.device(name)
        assert device is not None
        assert (device.messages_total, device.rejected_total, device.readings_total) == counts
        assert device.position == ((1, 2) if name == "c" else None)


def test_a_fault_while_messages_are_gathered_costs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaking(monkeypatch, PresenceBook, "carried", lambda of: of[0] == "x")
    batch = [NEIGHBOURS[0], message("x", {"t": 99}), NEIGHBOURS[1]]
    ringing, readings, faults = played(ruled(), batch)
    assert (ringing, readings, faults) == (["a", "b"], [("a", 90), ("b", 91)], 1)


@pytest.mark.parametrize(
    ("sight", "count", "rules", "faulty"),
    [
        (DeviceSight, 3, {"hot"}, True),
        (DeviceSight, 40, {"hot"}, True),
        (RoundSight, 40, {"hot", "bad"}, False),  # all are looked at one by one
        (RoundSight, 400, {"hot", "bad"}, True),  # those judged at once are so in the scalar form
    ],
)
def test_a_fault_of_a_rule_costs_that_rule(
    monkeypatch: pytest.MonkeyPatch, sight: type, count: int, rules: set[str], faulty: bool
) -> None:
    breaking(monkeypatch, sight, "number", lambda of: of[0] == "p")
    names = [f"d{index}" for index in range(count)]
    events, pipeline = Events(), ruled()
    feed(pipeline, [message(name, {"t": 90, "p": 6}) for name in names], START, events)
    finish(pipeline, START, events)
    ringing = {(alert.rule, alert.subject) for alert in events.alerts}
    assert ringing == {(rule, name) for rule in rules for name in names}
    assert len(events.readings) == 2 * count
    assert (pipeline.faults.total > 0) is faulty


def test_a_fault_of_an_alert_costs_that_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, AlertBook, "signal", lambda of: of[1] == "x")
    batch = [NEIGHBOURS[0], message("x", {"t": 99}), NEIGHBOURS[1]]
    ringing, readings, faults = played(ruled(), batch)
    assert (ringing, faults) == (["a", "b"], 1)
    assert readings == [("a", 90), ("x", 99), ("b", 91)]


def test_a_fault_in_judging_times_costs_the_row_it_comes_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaking(monkeypatch, Plausibility, "_known_until", lambda of: START - 7 in of[0])
    ahead = [message(d, {"ts": START + 400, "t": 1}) for d in "ab"]
    stated = [message(d, {"ts": START, "t": 95}) for d in "ab"]
    batch = [*ahead, stated[0], message("x", {"ts": START - 7, "t": 99}), stated[1]]
    pipeline = ruled()
    ringing, readings, faults = played(pipeline, batch)
    assert (ringing, faults) == (["a", "b"], 1)
    assert readings == [("a", 1), ("b", 1), ("a", 95), ("b", 95)]
    for name in "ab":
        device = pipeline.device(name)
        assert device is not None
        assert (device.future_total, device.readings_total, device.duplicates_total) == (1, 2, 0)


def test_a_fault_in_the_memory_of_repetitions_costs_no_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaking(monkeypatch, RecentReadings, "_deepen", lambda _: True)
    batch = [message(d, {"ts": START, "t": 95}) for d in "ab"]
    assert played(ruled(), batch) == (["a", "b"], [("a", 95), ("b", 95)], 1)


def test_a_fault_in_judging_costs_no_reading_and_the_next_one_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = ruled()
    played(pipeline, [message("a", {"t": 1}), message("a", {"t": 2})])
    with monkeypatch.context() as patch:
        breaking(patch, Judge, "_look_at", lambda _: True)
        ringing, readings, faults = played(pipeline, NEIGHBOURS)
        assert (ringing, readings, faults) == ([], [("a", 90), ("b", 91)], 1)
    assert played(pipeline, NEIGHBOURS)[0] == ["a", "b"]


def test_after_a_fault_in_bounding_a_series_its_readings_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = ruled()
    with monkeypatch.context() as patch:
        breaking(patch, Watch, "bound", lambda _: True)
        assert played(pipeline, [message("a", {"t": 1})]) == ([], [("a", 1)], 1)
    assert played(pipeline, NEIGHBOURS)[0] == ["a", "b"]


def test_a_fault_in_presence_costs_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, PresenceBook, "reported", lambda _: True)
    assert played(ruled(), NEIGHBOURS) == (["a", "b"], [("a", 90), ("b", 91)], 1)


def test_a_fault_of_a_fact_costs_that_fact_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, RuleSet, "put", lambda of: of[0].name == "new")
    pipeline, events = ruled(), Events()
    feed(pipeline, [RulePut(Rule(name="new", when="t > 1"), "ann"), *NEIGHBOURS], START, events)
    assert [alert.rule for alert in events.alerts] == ["hot", "hot"]
    assert events.problems == ["RulePut failed by a fault of the server: Broken()"]


def test_a_fault_of_a_timer_does_not_keep_readings_from_being_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="hot", when="t > 80", on_delay="5s"), "ann")], START - 9)
    pipeline.feed([message("a", {"t": 90})], START - 8)
    pipeline.settle(START - 8)
    breaking(monkeypatch, AlertBook, "fire_next", lambda _: True)
    assert played(pipeline, NEIGHBOURS) == (["b"], [("a", 90), ("b", 91)], 1)


async def test_faults_are_counted_logged_and_in_the_status(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    engine = Engine(tmp_path, Settings(), BrokenDecoder(), database)
    with structlog.testing.capture_logs() as logged:
        await engine.start("test")
        for _ in range(3):
            await engine.submit([message("x", b'{"t": 666}'), *NEIGHBOURS], engine.clock.now())
        status = engine.status()
        await engine.stop()
        database.close()
    assert (status.failures_total, status.readings_total) == (3, 6)
    (line,) = [each for each in logged if each["log_level"] == "error"]
    assert line["cost"] == "a message on 'devices/x/telemetry'"
