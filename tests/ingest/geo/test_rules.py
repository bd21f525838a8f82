"""Rules over positions: what rings when, three-valued, once per position, and as zones change."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.backtest.test_replay import stored, table_of
from tests.ingest.scripts import START, Events, feed, finish, message, new_pipeline
from tocsin.devices.profile import Profile
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.replay import Replay
from tocsin.ingest.facts import Record, RulePut, ZoneDeleted, ZoneFileLoaded, ZonePut
from tocsin.ingest.geo.zone import Zone, zone_of
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError, validate
from tocsin.ingest.settings import Settings

SETTINGS = Settings(profiles=(Profile("*", max_speed_kmh=10_000.0),))
DEGREE_M = 111_195.08


def circle(name: str, north_m: float, radius_m: float) -> Zone:
    geometry = {"type": "Point", "coordinates": [16.0, 48 + north_m / DEGREE_M]}
    return zone_of(
        {"type": "Feature", "properties": {"radius_m": radius_m}, "geometry": geometry}, name
    )


def square(name: str, north_m: float, half_m: float) -> Zone:
    """As high and far wider."""
    y = 48 + north_m / DEGREE_M
    south, north = y - half_m / DEGREE_M, y + half_m / DEGREE_M
    ring = [[15, south], [17, south], [17, north], [15, north], [15, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return zone_of({"type": "Feature", "properties": {}, "geometry": geometry}, name)


def at(metres: float, **more: Any) -> dict[str, Any]:
    return {"lat": 48 + metres / DEGREE_M, "lon": 16.0, **more}


YARD = circle("yard", 0, 100)


def story(rule: Rule, *steps: object, zones: Sequence[Zone] = (YARD,)) -> list[tuple[int, str]]:
    """What became of the alert of a device: second and state. A step is a message or a fact."""
    pipeline = new_pipeline(SETTINGS)
    pipeline.feed([ZonePut(zone, "a") for zone in zones], START - 1)
    pipeline.feed([RulePut(rule, "a")], START - 1)
    found: list[tuple[int, str]] = []
    for second, step in enumerate(steps):
        record: Any = step if isinstance(step, ZonePut) else message("d", step)
        outcome = pipeline.feed([record], START + second)
        assert not outcome.problems
        found += [(second, alert.state.value) for alert in outcome.alerts]
    return found


def test_enter_and_exit() -> None:
    rule = Rule(name="r", when="inside('yard')")
    assert story(rule, at(500), at(50), at(20), at(200), at(500)) == [
        (1, "active"),
        (3, "cleared_unacknowledged"),
    ]


def test_exit_rings_when_it_is_outside() -> None:
    rule = Rule(name="r", when="outside('yard')")
    assert [each for _, each in story(rule, at(0), at(50), at(300), at(0))] == [
        "active",
        "cleared_unacknowledged",
    ]


def test_dwell_is_an_on_delay() -> None:
    rule = Rule(name="r", when="inside('yard')", on_delay="3s")
    passing = story(rule, at(500), at(0), at(0), at(500), at(500), at(500))
    assert passing == [(1, "pending"), (3, "cleared")]
    staying = story(rule, at(500), at(0), at(0), at(0), at(0), at(0))
    assert staying == [(1, "pending"), (4, "active")]


@pytest.mark.parametrize("zone", [YARD, square("yard", 0, 100)], ids=["circle", "polygon"])
def test_where_the_accuracy_leaves_it_open_nothing_rings_and_nothing_clears(zone: Zone) -> None:
    unsure = at(90, accuracy_m=30)
    rule, away = (Rule(name="r", when=f"{side}('yard')") for side in ("inside", "outside"))
    assert story(rule, unsure, unsure, zones=[zone]) == []
    assert story(away, unsure, at(110, accuracy_m=30), zones=[zone]) == []
    sure = at(50, accuracy_m=30)
    assert story(rule, sure, unsure, at(110, hdop=6), zones=[zone]) == [(0, "active")]
    assert [second for second, _ in story(rule, sure, at(150, accuracy_m=30), zones=[zone])] == [
        0,
        1,
    ]


def test_without_a_position_nothing_is_known() -> None:
    for when in ("inside('yard')", "outside('yard')", "not inside('yard')", "speed_kmh() < 9"):
        assert story(Rule(name="r", when=when), {"t": 1}, {"lat": 48.0}, {"lon": 16}) == []


def test_a_row_is_judged_with_the_latitude_and_the_longitude_of_one_message() -> None:
    """From north-west to south-east: new latitude and old longitude would be in the yard."""
    north_west = {"lat": 48.1, "lon": 16.0}
    south_east = {"lat": 48.0, "lon": 16.1}
    for batch in ([north_west, south_east], [south_east, north_west]):
        assert story(Rule(name="r", when="inside('yard')"), *batch) == []


def test_speed_and_distance() -> None:
    fast = Rule(name="r", when="speed_kmh() > 100")
    assert story(fast, at(0), at(20), at(50), at(60)) == [
        (2, "active"),
        (3, "cleared_unacknowledged"),
    ]
    near = Rule(name="r", when="distance_m('yard') < 50 and outside('yard')")
    assert story(near, at(300), at(140), at(90)) == [(1, "active"), (2, "cleared_unacknowledged")]


def test_zones_in_two_rules_of_one_form_are_two_zones() -> None:
    pipeline = new_pipeline(SETTINGS)
    pipeline.feed([ZonePut(YARD, "a"), ZonePut(circle("dock", 5000, 100), "a")], START)
    for name in ("yard", "dock"):
        pipeline.feed([RulePut(Rule(name=name, when=f"inside('{name}')"), "a")], START)
    assert [a.rule for a in pipeline.feed([message("d", at(0))], START).alerts] == ["yard"]
    assert [a.rule for a in pipeline.feed([message("e", at(5000))], START).alerts] == ["dock"]


def test_a_zone_that_changes_judges_devices_where_they_are() -> None:
    rule = Rule(name="r", when="inside('yard')")
    moved = ZonePut(circle("yard", 5000, 100), "b")
    back = ZonePut(YARD, "b")
    assert story(rule, at(0), moved, back, moved) == [
        (0, "active"),
        (1, "cleared_unacknowledged"),
        (2, "active"),
        (3, "cleared_unacknowledged"),
    ]


def test_the_alert_says_what_it_saw() -> None:
    pipeline = new_pipeline(SETTINGS)
    pipeline.feed([ZonePut(YARD, "a")], START)
    pipeline.feed([RulePut(Rule(name="r", when="inside('yard')", message="{lat:.1f}"), "a")], START)
    (alert,) = pipeline.feed([message("d", at(0))], START).alerts
    assert alert.message == "48.0"
    assert alert.cause is not None
    assert alert.cause.evidence is not None
    assert alert.cause.evidence.windows == {"inside('yard')": 1.0}


def test_a_zone_has_one_source_and_stays_while_a_rule_names_it() -> None:
    pipeline = new_pipeline(SETTINGS)
    problems = [
        pipeline.feed([fact], START).problems
        for fact in (
            ZonePut(YARD, "a"),
            RulePut(Rule(name="r", when="inside('yard')"), "a"),
            ZoneDeleted("yard", "a"),
            ZoneFileLoaded([YARD], "plant.geojson"),
            ZoneFileLoaded([circle("dock", 0, 5)], "plant.geojson"),
            ZonePut(circle("dock", 0, 6), "a"),
            ZoneDeleted("nowhere", "a"),
        )
    ]
    assert problems[:2] == [[], []]
    assert problems[2] == ["'yard' is read by the rules r"]
    assert problems[3][0].startswith("'yard' exists already, from the API")
    assert problems[4] == []
    assert problems[5][0].startswith("'dock' exists already, from plant.geojson")
    assert problems[6] == ["nowhere"]
    assert pipeline.zones.names() == ["dock", "yard"]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("inside('yrad')", "unknown zone 'yrad' at column 8; did you mean yard?"),
        ("inside('x')", "unknown zone 'x' at column 8; expected one of these: dock, yard"),
        ("inside(yard)", "'yard' is no zone; inside needs the name of one in quotes at column 8"),
        ("inside()", "inside at column 1 has 0 arguments; expected 1 (zone), as in inside('yard')"),
        ("speed_kmh(lat) > 1", "speed_kmh at column 1 has 1 argument; expected none"),
        ("distance_m('yard')", "is a number; 'when' needs a condition"),
        ("inside('yard') > 3", "is a condition; '>' needs a number"),
    ],
)
def test_mistakes(when: str, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        validate(Rule(name="r", when=when), known_zones=["yard", "dock"])
    assert said in str(caught.value)


RULES = [
    Rule(name="in", when="inside('yard')"),
    Rule(name="out", when="outside('yard') and t > 0", clear="inside('yard')"),
    Rule(name="dwell", when="inside('belt') or inside('yard')", on_delay="2s"),
    Rule(name="fast", when="speed_kmh() > 150"),
    Rule(name="near", when="distance_m('belt') < 60"),
]
ZONES = [YARD, circle("yard", 150, 80), square("yard", 40, 60), square("belt", 200, 50)]
places = st.sampled_from([0.0, 30.0, 95.0, 120.0, 180.0, 260.0, 9000.0])
extra: st.SearchStrategy[dict[str, float]] = st.sampled_from(
    [{}, {"accuracy_m": 20}, {"t": 1}, {"t": 0, "hdop": 3}]
)


def from_device(device: str, metres: float, more: dict[str, float]) -> Record:
    return message(device, at(metres, **more))


def put(zone: Zone) -> Record:
    return ZonePut(zone, "a")


sent = st.builds(from_device, st.sampled_from("de"), places, extra)
records = st.one_of(sent, sent, sent, st.builds(put, st.sampled_from(ZONES)))
steps = st.lists(st.tuples(st.sampled_from([1.0, 5.0]), st.lists(records, max_size=5)), max_size=8)
Steps = list[tuple[float, list[Record]]]


def ruled(settings: Settings = SETTINGS) -> Pipeline:
    pipeline = new_pipeline(settings)
    facts: list[Record] = [ZonePut(YARD, "a"), ZonePut(ZONES[-1], "a")]
    pipeline.feed([*facts, *(RulePut(rule, "a") for rule in RULES)], START)
    return pipeline


@settings(max_examples=60)
@given(steps, st.data())
def test_a_restart_and_smaller_batches_change_nothing(script: Steps, data: st.DataObject) -> None:
    plain, halting, small = Events(), Events(), Events()
    pipelines = [ruled(), ruled(), ruled()]
    now = START
    for after_s, given_records in script:
        now += after_s
        feed(pipelines[0], given_records, now, plain)
        feed(pipelines[1], given_records, now, halting)
        if data.draw(st.booleans()):
            finish(pipelines[1], now, halting)
            kept = pipelines[1].snapshot()
            pipelines[1] = new_pipeline(SETTINGS)
            pipelines[1].restore(kept)
        for record in given_records or [None]:
            feed(pipelines[2], [record] if record else [], now, small)
    for pipeline, events in zip(pipelines, (plain, halting, small), strict=True):
        finish(pipeline, now, events)
    assert halting.alerts == plain.alerts
    assert halting.readings == plain.readings
    assert small.alerts == plain.alerts


@settings(max_examples=60)
@given(steps)
def test_a_replay_of_stored_readings_sees_the_zones_of_that_time(script: Steps) -> None:
    pipeline, events = ruled(), Events()
    now = START
    cuts: list[float] = []
    for after_s, given_records in script:
        now += after_s
        # In the journal a change of a zone has a time of its own.
        for kind in (False, True):
            these = [each for each in given_records if isinstance(each, ZonePut) is kind]
            now += 0.25
            feed(pipeline, these, now, events)
            cuts += [now] if kind else []
    finish(pipeline, now + 10, events)
    feed(pipeline, [], now + 10, events)
    found: list[Alert] = []
    table = table_of(pipeline)
    profiles = [Profile(max_speed_kmh=10_000.0)] * len(table.devices)
    rules = [validate(rule) for rule in RULES]
    replay = Replay(table, rules, FlapLimits(), found.append, profiles=profiles)
    readings = stored(events)
    versions = pipeline.zones.versions(START, now + 1)
    for version in [each for each in versions if each.at <= START]:
        replay.take_zone(version)
    replay.put_in_force(START)
    for version in [each for each in versions if each.at > START]:
        early = readings.arrival < round(version.at * 1e6)
        for _ in replay.take(readings.only(early)):
            pass
        replay.take_zone(version)
        readings = readings.only(~early)
    for _ in replay.take(readings):
        pass
    replay.finish(now + 10)

    def told(alerts: Sequence[Alert]) -> list[tuple[str, str, str, float]]:
        return [(a.rule, a.subject, a.state.value, round(a.cause.at, 3)) for a in alerts if a.cause]

    assert sorted(told(found)) == sorted(told(events.alerts))
