"""Limits: what profiles state, what a device's own tags say instead, what rules make of them."""

import json
from pathlib import Path

import pytest

from tests.ingest.backtest.test_replay import stored, table_of
from tests.ingest.scripts import START, Events, feed, finish, message, new_pipeline
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.profile import Profile, ProfileTable
from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.replay import Replay
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import DevicesExpected, ProfilesConfigured, Record, RulePut, TagsPut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.stated import Stated
from tocsin.ingest.rules.validation import RuleError, validate
from tocsin.ingest.settings import Settings

BOILERS = ProfileTable("boiler-*", {"temp_max_c": 80.0, "quiet_s": 60.0})
PUMPS = ProfileTable("*", {"temp_max_c": 40.0})


def rule(when: str = "t > limit('temp_max_c')", **keys: object) -> RulePut:
    return RulePut(Rule(name="hot", when=when, **keys), "ann")  # pyright: ignore[reportArgumentType]


def plant(*records: Record) -> Pipeline:
    pipeline = new_pipeline()
    pipeline.feed([ProfilesConfigured([BOILERS, PUMPS]), *records], START)
    return pipeline


def ringing(pipeline: Pipeline) -> list[str]:
    return sorted(alert.subject for alert in pipeline.alerts.open() if alert.active)


def test_a_rule_reads_the_limit_of_each_devices_profile() -> None:
    pipeline = plant(rule())
    devices = ("boiler-1", "pump-1")
    pipeline.feed([message(each, {"t": 60}) for each in devices], START + 1)
    assert ringing(pipeline) == ["pump-1"]
    pipeline.feed([message(each, {"t": 81}) for each in devices], START + 2)
    assert ringing(pipeline) == ["boiler-1", "pump-1"]


def test_a_device_can_have_a_limit_of_its_own_by_a_tag_of_the_same_name() -> None:
    pipeline = plant(rule(), message("boiler-1", {"t": 85}), message("boiler-2", {"t": 85}))
    pipeline.feed([TagsPut("boiler-1", {"temp_max_c": "90"}, "ann")], START + 1)
    assert ringing(pipeline) == ["boiler-2"]
    pipeline.feed([TagsPut("boiler-1", {"temp_max_c": "ninety"}, "ann")], START + 2)
    assert ringing(pipeline) == ["boiler-1", "boiler-2"]  # a slip mutes nothing


def test_a_device_says_its_limits() -> None:
    pipeline = plant(message("boiler-1", {"t": 1}), message("pump-1", {"t": 1}))
    given = {"temp_max_c": "90", "quiet_s": "long", "other": "3"}
    pipeline.feed([TagsPut("boiler-1", given, "ann")], START + 1)
    views = {view.id: view.limits for view in pipeline.devices()}
    assert views == {
        "boiler-1": {"quiet_s": 60.0, "temp_max_c": 90.0},
        "pump-1": {"temp_max_c": 40.0},
    }


def test_an_alert_says_what_the_limit_was() -> None:
    pipeline = plant(rule(), message("pump-1", {"t": 41}))
    (alert,) = pipeline.alerts.open()
    assert alert.cause is not None
    assert alert.cause.evidence.windows == {"limit('temp_max_c')": 40.0}


def test_rules_turn_when_the_settings_state_other_limits() -> None:
    pipeline = plant(rule(), message("boiler-1", {"t": 60}), message("pump-1", {"t": 30}))
    assert ringing(pipeline) == []
    pipeline.feed([ProfilesConfigured([ProfileTable("*", {"temp_max_c": 50.0})])], START + 1)
    assert ringing(pipeline) == ["boiler-1"]
    pipeline.feed([ProfilesConfigured([])], START + 2)  # unknown neither rings nor clears
    assert ringing(pipeline) == ["boiler-1"]
    assert pipeline.feed([message("pump-1", {"t": 99})], START + 3).alerts == []


@pytest.mark.parametrize(
    "when",
    [
        "age(t) > limit('quiet_s')",
        "limit('quiet_s') < age(t)",
        "not (age(t) / 2 <= limit('quiet_s') / 2)",
        "age(t) - limit('quiet_s') >= 0",
        "2 * (limit('quiet_s') - age(t)) < 0",
        "age(t) * limit('quiet_s') >= 3600",
        "t > 100 or age(t) > abs(-limit('quiet_s'))",
    ],
)
def test_silence_beyond_a_limit_rings_to_the_millisecond(when: str) -> None:
    pipeline = plant(rule(when), message("boiler-1", {"t": 1}), message("pump-1", {"t": 1}))
    assert pipeline.feed([], START + 59.999).alerts == []
    (alert,) = pipeline.feed([], START + 500.0).alerts
    assert (alert.subject, round((alert.raised_at or 0) - START, 2)) == ("boiler-1", 60.0)


def test_a_silence_that_is_waited_for_follows_the_limit() -> None:
    pipeline = plant(rule("age(t) > limit('quiet_s')"), message("boiler-1", {"t": 1}))
    pipeline.feed([TagsPut("boiler-1", {"quiet_s": "10"}, "ann")], START + 5)
    assert pipeline.feed([], START + 9.9).alerts == []
    assert len(pipeline.feed([], START + 10.1).alerts) == 1
    pipeline.feed([message("boiler-1", {"t": 1})], START + 20)
    assert ringing(pipeline) == []
    pipeline.feed([TagsPut("boiler-1", {"quiet_s": "5000"}, "ann")], START + 21)
    assert pipeline.feed([], START + 5019.9).alerts == []
    assert len(pipeline.feed([], START + 5020.1).alerts) == 1


def test_who_was_expected_and_never_came_rings_by_its_limit() -> None:
    pipeline = plant(rule("age(t) > limit('quiet_s')"), DevicesExpected(["boiler-1"]))
    (alert,) = pipeline.feed([], START + 100).alerts
    assert round((alert.raised_at or 0) - START, 2) == 60.0


def test_a_restart_has_the_limits_as_they_were() -> None:
    pipeline = plant(rule("age(t) > limit('quiet_s')"), message("boiler-1", {"t": 1}))
    pipeline.settle(START)
    again = new_pipeline()
    again.restore(pipeline.snapshot())
    for each in (pipeline, again):
        (alert,) = each.feed([], START + 100).alerts
        assert round((alert.raised_at or 0) - START, 2) == 60.0
    assert again.feed([message("boiler-9", {"t": 1})], START + 101).alerts == []
    assert [each.subject for each in again.feed([], START + 162).alerts] == ["boiler-9"]


def test_a_backtest_has_them_too() -> None:
    """What stored readings ring is what they rang when they arrived, silence included."""
    rules = [
        Rule(name="hot", when="t > limit('temp_max_c')"),
        Rule(name="quiet", when="age(t) >= limit('quiet_s') + 1"),
    ]
    pipeline, events = plant(), Events()
    feed(pipeline, [RulePut(each, "ann") for each in rules], START, events)
    now = START
    for number in range(40):
        now += 100.0 if number % 5 == 0 else 7.0
        rows = [message(device, {"t": number * 3}) for device in ("boiler-1", "pump-1")]
        feed(pipeline, rows, now, events)
    end = now + 200
    feed(pipeline, [], end, events)
    finish(pipeline, end, events)
    profiles = [Profile(limits=table.limits) for table in (BOILERS, PUMPS)]
    found: list[Alert] = []
    checked = [validate(each) for each in rules]
    replay = Replay(table_of(pipeline), checked, FlapLimits(), found.append, "UTC", profiles)
    replay.put_in_force(START)
    for _ in replay.take(stored(events)):
        pass
    replay.finish(end)
    assert [(a.rule, a.subject, a.state, a.raised_at) for a in found] == [
        (a.rule, a.subject, a.state, a.raised_at) for a in events.alerts
    ]
    assert {(a.rule, a.subject) for a in found} == {
        *(("hot", "boiler-1"), ("hot", "pump-1"), ("quiet", "boiler-1"))
    }


async def test_an_engine_refuses_a_limit_that_no_profile_states(tmp_path: Path) -> None:
    settings = Settings(profiles=(Profile("boiler-*", limits={"temp_max_c": 80}), Profile("*")))
    database = Database.open(tmp_path)
    engine = Engine(tmp_path, settings, Decoder(), database)
    await engine.start("1")
    try:
        with pytest.raises(RuleError) as caught:
            await engine.put_rule(Rule(name="r", when="t > limit('temp_mx_c')"), "ann")
        assert caught.value.message == (
            "unknown limit 'temp_mx_c' at column 11; did you mean temp_max_c?"
        )
        assert (caught.value.field, caught.value.column) == ("when", 11)
        await engine.put_rule(Rule(name="r", when="t > limit('temp_max_c')"), "ann")
        topic, payload = "devices/boiler-1/telemetry", json.dumps({"t": 81}).encode()
        await engine.submit([Message("c", topic, payload, 1)], engine.clock.now())
        assert ringing(engine.pipeline) == ["boiler-1"]
    finally:
        await engine.stop()
        database.close()


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        (
            "t > limit(temp_max_c)",
            "'temp_max_c' is no limit; limit needs the name of one in",
        ),
        ("t > limit('other')", "expected one that a [[profile]] states: quiet_s, temp_max_c"),
        ("t > 5 and limit('temp_max_c') == 'x'", "'==' compares that with a metric only"),
    ],
)
def test_mistakes(when: str, problem: str) -> None:
    with pytest.raises(RuleError) as caught:
        validate(Rule(name="r", when=when), stated=Stated.of([BOILERS]))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"a b": 1.0}, "limits has 'a b'; expected letters, digits and '_'"),
        ({"a": float("nan")}, "limit a is nan; expected a number"),
        ({f"l{n}": 1.0 for n in range(65)}, "has 65 limits; expected at most 64"),
    ],
)
def test_limits_that_cannot_be(limits: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match="limit") as caught:
        Profile(limits=limits)
    assert problem in str(caught.value)
