"""Rules over ages ring by time alone: for devices that fall silent, and for those that never came.

`t` is a metric of device `d`, here with a reading at second 0. Nothing comes after it.
"""

import json

import pytest

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.devices.message import Message
from tocsin.devices.profile import Profile
from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.facts import DevicesExpected, Outage, RuleDeleted, RulePut, Started
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

OLD = Rule(name="old", when="age(t) > 60")


def put(pipeline: Pipeline, rule: Rule, at: float = 0.0) -> list[Alert]:
    return pipeline.feed([RulePut(rule, "ann")], START + at).alerts


def reads(pipeline: Pipeline, at: float, device: str = "d", **values: object) -> list[Alert]:
    return pipeline.feed([message(device, values)], START + at).alerts


def passes(pipeline: Pipeline, until: float) -> list[tuple[str, float]]:
    """What rings by itself until then: subject, and seconds after START at which it rang."""
    alerts = pipeline.feed([], START + until).alerts
    return [(a.subject, round((a.raised_at or 0) - START, 2)) for a in alerts]


def reborn(pipeline: Pipeline) -> Pipeline:
    pipeline.settle(START)
    other = new_pipeline()
    other.restore(pipeline.snapshot())
    return other


@pytest.mark.parametrize(
    "when",
    [
        "age(t) > 60",
        "age(t) >= 60",
        "60 < age(t)",
        "not (age(t) <= 60)",
        "age(t) > 5 * 12",
        "age(t) / 60 > 1",
        "2 * age(t) + 3 >= 123",
        "-age(t) < -60",
        "100 - (age(t) + 10) * 2 < -40",
        "absent(t, '60s')",
        "absent(t, '1m') and t < 5",
        "t > 100 or absent(t, '60s')",
    ],
)
def test_a_device_that_falls_silent_altogether_rings(when: str) -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="old", when=when))
    reads(pipeline, 0.0, t=1.0)
    assert passes(pipeline, 59.9) == []
    assert passes(pipeline, 500.0) == [("d", 60.0)]
    assert passes(pipeline, 5000.0) == [], "once"
    (over,) = reads(pipeline, 5001.0, t=1.0)
    assert over.state is State.CLEARED_UNACKNOWLEDGED
    assert passes(pipeline, 6000.0) == [("d", 5061.0)]


def test_a_short_silence_rings_again_where_a_long_one_is_waited_for() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="short", when="age(t) > 5"))
    put(pipeline, Rule(name="long", when="age(t) > 300"))
    reads(pipeline, 0.0, t=1.0)
    assert passes(pipeline, 50.0) == [("d", 5.0)]
    reads(pipeline, 60.0, t=1.0)
    assert passes(pipeline, 100.0) == [("d", 65.0)]


@pytest.mark.parametrize("before", [{"t": 1.0, "p": 1.0}, {"p": 1.0}])
def test_a_short_silence_that_was_passed_or_never_began_counts_from_the_next_reading(
    before: dict[str, float],
) -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="short", when="age(t) > 5 and p > 50"))
    put(pipeline, Rule(name="long", when="age(p) > 300"))
    pipeline.feed([message("d", before)], START)
    assert passes(pipeline, 50.0) == []
    reads(pipeline, 60.0, t=1.0, p=60.0)
    assert passes(pipeline, 100.0) == [("d", 65.0)]


def test_a_rule_that_silence_does_not_make_true_stays_silent() -> None:
    pipeline = new_pipeline()
    for name, when in [
        ("a", "absent(t, '60s') and t > 5"),
        ("b", "age(u) > 60"),
        ("c", "age(t) < 60 and t > 5"),
        ("d", "t > 100"),
    ]:
        put(pipeline, Rule(name=name, when=when))
    reads(pipeline, 0.0, t=1.0)
    assert passes(pipeline, 5000.0) == []


def test_a_rule_that_compares_no_age_with_a_constant_turns_by_readings_alone() -> None:
    """Also while another rule has the device looked at."""
    pipeline = new_pipeline()
    put(pipeline, Rule(name="own limit", when="-age(t) < -limit_s"))
    put(pipeline, Rule(name="other", when="age(t) > 60 and t > 5"))
    reads(pipeline, 0.0, t=1.0, limit_s=5.0)
    assert passes(pipeline, 100.0) == []
    (rang,) = reads(pipeline, 100.0, limit_s=5.0)
    assert rang.rule == "own limit"


def test_each_age_that_a_rule_asks_for_is_looked_at() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="a", when="age(t) > 10 and age(u) > 60"))
    reads(pipeline, 0.0, t=1.0, u=1.0)
    reads(pipeline, 30.0, u=1.0)
    reads(pipeline, 85.0, t=1.0)
    assert passes(pipeline, 500.0) == [("d", 95.0)]


def nothing_new(kind: str, second: int) -> object:
    match kind:
        case "the same again":
            return {"t": 1.0, "ts": START}
        case "something late":
            return {"t": 1.0, "ts": START - 3000 + second}
        case _:
            return b"{"


@pytest.mark.parametrize("kind", ["the same again", "something late", "nothing readable"])
def test_a_device_that_says_nothing_new_is_silent(kind: str) -> None:
    """A gas detector that is stuck on its last reading watches nothing."""
    pipeline = new_pipeline()
    put(pipeline, Rule(name="old", when="absent(t, '60s')"))
    reads(pipeline, 0.0, t=1.0, ts=START)
    rang: list[tuple[str, float]] = []
    for second in range(5, 100, 5):
        rang += passes(pipeline, second)
        pipeline.feed([message("d", nothing_new(kind, second))], START + second)
    assert rang == [("d", 60.0)]
    (over,) = reads(pipeline, 100.0, t=1.0, ts=START + 100)
    assert over.state is State.CLEARED_UNACKNOWLEDGED


def test_a_device_that_measures_the_same_again_is_not_silent() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="old", when="absent(t, '60s')"))
    for second in range(0, 200, 5):
        assert passes(pipeline, second) == []
        reads(pipeline, second, t=1.0)


def test_the_on_delay_comes_on_top_and_the_alert_says_what_was_seen() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="old", when="absent(t, '60s')", on_delay="30s", message="{t}"))
    reads(pipeline, 0.0, t=7.0)
    pending, rang = pipeline.feed([], START + 90.1).alerts
    assert pending.state is State.PENDING
    assert (round((rang.raised_at or 0) - START, 2), rang.message) == (90.0, "7")
    assert rang.cause
    assert rang.cause.evidence.readings == {"t": (7.0, START)}
    assert rang.cause.evidence.windows == {"age(t)": pytest.approx(90.0, abs=0.01)}
    assert rang.cause.started_by
    assert rang.cause.started_by.windows == {"age(t)": pytest.approx(60.0, abs=0.01)}


def test_a_device_clock_that_is_behind_makes_nothing_older() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    reads(pipeline, 0.0, t=1.0, ts=START - 3000)
    assert passes(pipeline, 59.0) == []
    # What comes with less delay is newer: the same minute counts from there.
    reads(pipeline, 59.0, u=1.0, ts=START - 2900)
    assert passes(pipeline, 500.0) == []
    assert [a.rule for a in pipeline.alerts.open()] == ["old"], "100 s of its own clock"


def test_readings_that_come_with_less_delay_bring_the_time_forward() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    reads(pipeline, 0.0, t=1.0, ts=START - 30)
    assert reads(pipeline, 10.0, u=1.0, ts=START + 10) == [], "t is 40 s old, not 60"
    assert passes(pipeline, 500.0) == [("d", 30.0)]


def test_readings_of_another_metric_keep_the_time() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    reads(pipeline, 0.0, t=1.0)
    for at in (20.0, 40.0, 55.0):
        assert reads(pipeline, at, u=1.0) == []
    assert passes(pipeline, 500.0) == [("d", 60.0)]


def test_a_new_rule_rings_at_once_for_what_has_been_silent_for_long() -> None:
    pipeline = new_pipeline()
    reads(pipeline, 0.0, t=1.0)
    (rang,) = put(pipeline, OLD, at=1000.0)
    assert (rang.subject, rang.raised_at) == ("d", START + 1000.0)
    pipeline.feed([RuleDeleted("old", "ann")], START + 1001.0)
    assert passes(pipeline, 5000.0) == []


def test_our_own_downtime_makes_nobody_silent() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    reads(pipeline, 0.0, t=1.0, u=1.0)
    reads(pipeline, 0.0, "e", t=1.0)
    pipeline.feed([Started("1", START)], START + 3600.0)
    # The device is back, with everything but t, which comes less often.
    assert reads(pipeline, 3601.0, u=1.0) == []
    assert passes(pipeline, 3659.0) == []
    assert reads(pipeline, 3659.0, t=1.0) == []
    assert passes(pipeline, 5000.0) == [("e", 3660.0), ("d", 3719.0)]


def test_a_stall_of_the_server_makes_nobody_silent() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    reads(pipeline, 0.0, t=1.0)
    outcome = pipeline.feed(
        [Outage(START + 50, START + 500), message("d", {"t": 2.0})], START + 500
    )
    assert outcome.alerts == []
    assert passes(pipeline, 5000.0) == [("d", 560.0)]


def test_an_alarm_that_rings_goes_on_over_a_restart_and_rings_once() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    reads(pipeline, 0.0, t=1.0)
    assert passes(pipeline, 100.0) == [("d", 60.0)]
    pipeline = reborn(pipeline)
    assert pipeline.feed([Started("1", START)], START + 200.0).alerts == []
    assert passes(pipeline, 5000.0) == []
    (over,) = reads(pipeline, 5001.0, t=1.0)
    assert not over.active


def test_a_device_that_was_expected_and_never_came_rings() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="gone", when="absent(t, '60s')", devices="pump-*"))
    expected = DevicesExpected(["pump-1", "pump-2", "other"])
    pipeline.feed([expected, message("pump-2", {"t": 1.0})], START + 10.0)
    assert [d.freshness for d in pipeline.devices()] == ["never", "fresh", "never"]
    assert passes(pipeline, 69.0) == []
    pipeline = reborn(pipeline)
    assert passes(pipeline, 71.0) == [("pump-1", 70.0), ("pump-2", 70.0)]
    (came,) = reads(pipeline, 80.0, "pump-1", t=1.0)
    assert not came.active


def test_what_is_expected_counts_from_our_return_and_no_longer_when_it_is_not() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="gone", when="absent(t, '60s')"))
    pipeline.feed([DevicesExpected(["a", "b"])], START)
    pipeline.feed([Started("1", START)], START + 3600.0)
    pipeline.feed([DevicesExpected(["b"])], START + 3601.0)
    assert passes(pipeline, 9000.0) == [("b", 3660.0)]


def test_devices_that_lack_a_metric_are_left_alone() -> None:
    pipeline = new_pipeline()
    put(pipeline, Rule(name="gone", when="absent(door, '60s')"))
    pipeline.feed([DevicesExpected(["d"])], START)
    reads(pipeline, 1.0, t=1.0)
    assert passes(pipeline, 9000.0) == []


def test_many_silent_devices_ring_each_at_its_time() -> None:
    pipeline = new_pipeline()
    put(pipeline, OLD)
    for n in range(300):
        payload = json.dumps({"t": 1.0}).encode()
        pipeline.feed([Message(f"c{n}", f"devices/d{n}/telemetry", payload)], START + n / 10)
    for second in range(30, 55):
        reads(pipeline, float(second), "d7", t=1.0)
    rang = passes(pipeline, 1000.0)
    assert rang[:2] == [("d0", 60.0), ("d1", 60.1)]
    assert rang[-1] == ("d7", 114.0)
    assert len(rang) == 300


@pytest.mark.parametrize("device", ["", "a/b", "a+", "#", "x" * 129])
def test_an_expected_device_has_an_id(device: str) -> None:
    with pytest.raises(ValueError, match="expected names"):
        Settings(profiles=(Profile(expected=(device,)),))
