"""Groups by what profiles state: one alert for each, live, after a restart and in a backtest."""

import msgspec
import pytest

from tests.ingest.backtest.test_replay import stored, table_of
from tests.ingest.scripts import START, Events, feed, finish, message, new_pipeline
from tocsin.devices.profile import Field, Profile, ProfileTable
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.replay import Replay
from tocsin.ingest.facts import Fact, ProfilesConfigured, Record, RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.stated import Stated
from tocsin.ingest.rules.validation import RuleError, validate

BOILERS = Profile("boiler-*", name="boiler", fields={"medium": "steam", "rated_kw": 120})
PUMPS = Profile("pump-*", name="pump", fields={"medium": "water", "rated_kw": 7.5})
TABLES = [BOILERS.table(), PUMPS.table()]


def by(group_by: str) -> Rule:
    return Rule(name="many", when="count_devices(t > 80) >= 2", group_by=group_by)


def plant(group_by: str, *records: Record) -> Pipeline:
    pipeline = new_pipeline()
    rule = RulePut(by(group_by), "ann")
    pipeline.feed([ProfilesConfigured(TABLES), rule, *records], START)
    return pipeline


def hot(*devices: str) -> list[Record]:
    return [message(each, {"t": 90}) for each in devices]


def ringing(pipeline: Pipeline) -> list[str]:
    return sorted(alert.subject for alert in pipeline.alerts.open() if alert.active)


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("profile.name", ["group:boiler", "group:pump"]),
        ("profile.medium", ["group:steam", "group:water"]),
        ("profile.rated_kw", ["group:120", "group:7.5"]),
    ],
)
def test_each_profile_has_its_alert(group_by: str, groups: list[str]) -> None:
    pipeline = plant(group_by, *hot("boiler-1", "pump-1", "other-1", "other-2"))
    assert ringing(pipeline) == []
    pipeline.feed(hot("boiler-2"), START + 1)
    assert ringing(pipeline) == groups[:1]
    pipeline.feed(hot("pump-2"), START + 2)
    assert ringing(pipeline) == groups


def test_groups_follow_the_settings() -> None:
    pipeline = plant("profile.medium", *hot("boiler-1", "pump-1"))
    assert ringing(pipeline) == []
    both: dict[str, Field] = {"medium": "steam"}
    pipeline.feed([ProfilesConfigured([ProfileTable("*", fields=both)])], START + 1)
    assert ringing(pipeline) == ["group:steam"]
    pipeline.feed([ProfilesConfigured([])], START + 2)
    assert ringing(pipeline) == []


def test_a_restart_has_the_groups_as_they_were() -> None:
    pipeline = plant("profile.medium", *hot("boiler-1"))
    pipeline.settle(START)
    again = new_pipeline()
    again.restore(pipeline.snapshot())
    for each in (pipeline, again):
        (alert,) = each.feed(hot("boiler-2"), START + 1).alerts
        assert alert.subject == "group:steam"


def test_the_journal_gives_the_profiles_back() -> None:
    fact = ProfilesConfigured(TABLES)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=Fact) == fact
    before = msgspec.msgpack.encode(["limits", [{"devices": "a", "limits": {"x": 1.0}}]])
    known = ProfilesConfigured([ProfileTable("a", {"x": 1.0})])
    assert msgspec.msgpack.decode(before, type=Fact) == known


def test_a_backtest_has_them_too() -> None:
    pipeline, events = plant("profile.medium"), Events()
    for number, device in enumerate(("boiler-1", "pump-1", "boiler-2", "pump-2")):
        feed(pipeline, hot(device), START + number, events)
    feed(pipeline, [message("boiler-1", {"t": 1})], START + 9, events)
    finish(pipeline, START + 20, events)
    profiles = [BOILERS, PUMPS, BOILERS, PUMPS]
    found: list[Alert] = []
    checked = [validate(by("profile.medium"))]
    replay = Replay(table_of(pipeline), checked, FlapLimits(), found.append, "UTC", profiles)
    replay.put_in_force(START)
    for _ in replay.take(stored(events)):
        pass
    replay.finish(START + 20)
    assert [(a.subject, a.state, a.raised_at) for a in found] == [
        (a.subject, a.state, a.raised_at) for a in events.alerts
    ]
    assert {a.subject for a in found} == {"group:steam", "group:water"}


@pytest.mark.parametrize(
    ("group_by", "problem"),
    [
        ("profile.medum", "no profile has a field 'medum'; did you mean medium?"),
        ("profile.site", "expected one that a [[profile]] states: medium, name, rated_kw"),
    ],
)
def test_a_field_that_no_profile_states_is_refused(group_by: str, problem: str) -> None:
    with pytest.raises(RuleError) as caught:
        validate(by(group_by), stated=Stated.of(TABLES))
    assert caught.value.field == "group_by"
    assert problem in str(caught.value)
    validate(by("profile.medium"), stated=Stated.of(TABLES))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"a b": 1.0}, "'a b'"),
        ({"a": float("inf")}, "field a is inf; expected text or a number"),
        ({"a": True}, "field a is True; expected text or a number"),
        ({"name": "x"}, "expected it as a key of the profile itself"),
        ({f"f{n}": 1.0 for n in range(33)}, "has 33 fields; expected at most 32"),
    ],
)
def test_fields_that_cannot_be(fields: dict[str, Field | bool], problem: str) -> None:
    with pytest.raises(ValueError, match="field") as caught:
        Profile(fields=fields)
    assert problem in str(caught.value)
