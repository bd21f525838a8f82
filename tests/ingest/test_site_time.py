"""The hour where the plant is, and rules that turn with it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.scripts import START, TIMEZONE, message, new_pipeline
from tocsin.ingest.facts import RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings
from tocsin.ingest.site_time import SiteTime

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Chatham")


@given(st.sampled_from(ZONES), st.floats(1_000_000_000, 2_000_000_000))
def test_the_hour_stays_until_it_turns(zone: str, at: float) -> None:
    site = SiteTime(zone)
    site.set(at)

    def hour(now: float) -> tuple[int, int]:
        local = datetime.fromtimestamp(now, ZoneInfo(zone))
        return local.hour, local.isoweekday()

    assert (site.hour, site.weekday) == hour(at)
    assert at < site.next_turn <= at + 2 * 3600
    minutes = [m for m in range(121) if at + 60 * m < site.next_turn]
    assert {hour(at + 60 * minute) for minute in minutes} == {hour(at)}
    assert hour(site.next_turn - 0.001) == hour(at) != hour(site.next_turn)


def test_an_hour_that_summer_time_skips_or_repeats() -> None:
    site = SiteTime("Europe/Berlin")
    spring = datetime(2026, 3, 29, 1, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    site.set(spring)
    site.set(site.next_turn)
    assert (site.at - spring, site.hour) == (1800, 3)
    autumn = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    site.set(autumn)
    assert (site.next_turn - autumn, site.hour) == (5400, 2)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="'Mars/Base' is not known here; expected an IANA name"):
        Settings(timezone="Mars/Base")


def states(pipeline: Pipeline, at: float) -> list[tuple[str, str, float]]:
    """What changes by itself until then: subject, state, engine seconds after START."""
    return [
        (a.subject, a.state, (a.cleared_at or a.raised_at or 0) - START)
        for a in pipeline.feed([], START + at).alerts
    ]


# In Kathmandu it is 3:58:20 at START, and 4:00 100 s later.
NIGHT = Rule(name="night", when="door == true and hour() == 4")


@pytest.mark.parametrize("again", [False, True])
def test_a_rule_turns_when_the_hour_does_without_a_reading(again: bool) -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(NIGHT, "ann")], START)
    pipeline.feed([message("a", {"door": True}), message("b", {"door": False})], START + 1)
    if again:
        pipeline.settle(START + 1)
        snapshot = pipeline.snapshot()
        pipeline = new_pipeline()
        pipeline.restore(snapshot)
    assert pipeline.next_due() is not None
    assert states(pipeline, 99.9) == []
    assert states(pipeline, 100) == [("a", "active", 100)]
    assert states(pipeline, 3699.9) == []
    assert states(pipeline, 3700) == [("a", "cleared_unacknowledged", 3700)]


def test_an_alert_shows_the_hour_that_it_saw() -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(NIGHT, "ann"), message("a", {"door": True})], START)
    (alert,) = pipeline.feed([], START + 100).alerts
    assert alert.cause is not None
    assert alert.cause.evidence.windows == {"hour()": 4.0}


def test_it_is_the_hour_of_the_server_not_of_the_reading() -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(NIGHT, "ann")], START)
    late = message("a", {"door": True, "ts": START + 90})
    assert [a.state for a in pipeline.feed([late], START + 110).alerts] == ["active"]


def test_silence_rings_with_the_hour_and_is_not_ended_by_it_before_its_time() -> None:
    pipeline = new_pipeline()
    rule = Rule(name="dead", when="absent(t, '60s') and 4 <= hour() < 6")
    pipeline.feed([RulePut(rule, "ann"), message("a", {"t": 1.0})], START)
    assert states(pipeline, 99) == []
    assert states(pipeline, 100) == [("a", "active", 100)]
    assert states(pipeline, 3700 + 3599) == []  # 5 o'clock has come, and it is silent still
    assert states(pipeline, 7300) == [("a", "cleared_unacknowledged", 7300)]


def test_silence_does_not_clear_when_the_hour_turns() -> None:
    pipeline = new_pipeline()
    rule = Rule(name="fresh", when="age(t) < 60 and hour() >= 3")
    pipeline.feed([RulePut(rule, "ann")], START)
    assert len(pipeline.feed([message("a", {"t": 1.0})], START + 1).alerts) == 1
    assert states(pipeline, 200) == []


def test_the_zone_is_that_of_the_settings() -> None:
    pipeline = new_pipeline(Settings(timezone="UTC"))  # 22:13:20
    rule = Rule(name="late", when="t > 1 and hour() == 23 and weekday() == 2")
    pipeline.feed([RulePut(rule, "ann"), message("a", {"t": 2.0})], START)
    assert states(pipeline, 2800) == [("a", "active", 2800)]
    assert TIMEZONE != "UTC"
