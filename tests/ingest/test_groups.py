"""Rules across a group: what counts, what is unknown, and the laws."""

import math
import operator as op
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.rules.interpreter import evaluate
from tests.ingest.scripts import START, TIMEZONE, Events, feed, finish, message, new_pipeline
from tests.ingest.test_pipeline_rules import ModelDevice
from tocsin.devices.formats.row import Value
from tocsin.devices.tags import TagTable
from tocsin.ingest.facts import DevicesExpected, Record, RulePut, TagsConfigured, TagsPut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.parser import parse
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError, validate
from tocsin.ingest.settings import Settings

SITES = TagsConfigured(
    [TagTable("[abc]*", {"site": "north"}), TagTable("[xyz]", {"site": "south"})]
)


def put(when: str, name: str = "many", **keys: Any) -> RulePut:
    return RulePut(Rule(name=name, when=when, **keys), "ann")


def hot(**keys: Any) -> RulePut:
    keys = {"group_by": "site"} | keys
    return put("count_devices(t > 80) >= 2", "many", **keys)


def ringing(pipeline: Pipeline) -> list[str]:
    return [alert.subject for alert in pipeline.alerts.open() if alert.active]


def test_a_site_rings_when_enough_of_its_devices_do() -> None:
    pipeline = new_pipeline()
    words = "{count} of {group}: {devices}"
    pipeline.feed([SITES, hot(message=words)], START)
    pipeline.feed([message(each, {"t": 90}) for each in "ax"], START + 1)
    assert ringing(pipeline) == []
    (alert,) = pipeline.feed([message("b", {"t": 95})], START + 2).alerts
    assert (alert.subject, alert.device, alert.value) == ("group:north", None, 2.0)
    assert alert.message == "2 of north: a, b"
    assert alert.cause is not None
    assert alert.cause.evidence.devices == ("a", "b")
    assert alert.cause.evidence.windows == {"count_devices(t > 80)": 2.0}
    pipeline.feed([message("a", {"t": 70})], START + 3)
    assert ringing(pipeline) == []


def test_without_group_by_all_devices_of_the_rule_are_one_group() -> None:
    pipeline = new_pipeline()
    pipeline.feed([hot(group_by="", devices="b*")], START)
    pipeline.feed([message(each, {"t": 90}) for each in ("a1", "b1")], START)
    assert ringing(pipeline) == []
    pipeline.feed([message("b2", {"t": 90})], START)
    assert ringing(pipeline) == ["group:all"]


def test_an_unknown_device_neither_counts_nor_lets_it_clear() -> None:
    pipeline = new_pipeline()
    pipeline.feed([SITES, put("count_devices(t / p > 2) >= 2", group_by="site")], START)
    pipeline.feed([message(each, {"t": 9, "p": 1}) for each in "ab"], START + 1)
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([message("a", {"p": 0})], START + 2)  # a division by 0 is unknown
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([message("c", {"t": 9})], START + 3)  # has not sent p: no member
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([message("a", {"p": 100})], START + 4)
    assert ringing(pipeline) == []
    pipeline.feed([message("a", {"p": 0})], START + 5)
    assert ringing(pipeline) == []


def test_a_group_of_silent_devices_rings_without_a_reading() -> None:
    pipeline = new_pipeline()
    silent = put("count_devices(absent(t, '10s')) >= 2", group_by="site")
    pipeline.feed([SITES, silent, DevicesExpected(["c"])], START)
    pipeline.feed([message("a", {"t": 1})], START + 1)
    outcome = pipeline.feed([], START + 20)
    assert [alert.subject for alert in outcome.alerts] == ["group:north"]
    assert outcome.alerts[0].raised_at == pytest.approx(START + 11, abs=0.01)
    pipeline.feed([message("c", {"t": 1})], START + 21)
    assert ringing(pipeline) == []


def test_a_device_that_joins_or_leaves_by_its_tags_turns_the_group() -> None:
    pipeline = new_pipeline()
    pipeline.feed([SITES, hot()], START)
    pipeline.feed([message(each, {"t": 90}) for each in "ax"], START)
    pipeline.feed([TagsPut("x", {"site": "north"}, "ann")], START + 1)
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([TagsPut("x", {}, "ann")], START + 2)
    assert ringing(pipeline) == []


def test_silence_counts_again_after_a_reading() -> None:
    """Also where the device waits for a longer one."""
    pipeline = new_pipeline()
    short = put("count_devices(absent(t, '10s')) >= 2", group_by="site")
    pipeline.feed([SITES, short, put("absent(t, '300s')", "long")], START)
    pipeline.feed([message(each, {"t": 1}) for each in "abz"], START + 1)
    pipeline.feed([], START + 20)
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([message(each, {"t": 1}) for each in "ab"], START + 21)
    assert ringing(pipeline) == []
    (alert,) = pipeline.feed([], START + 40).alerts
    assert alert.raised_at == pytest.approx(START + 31, abs=0.01)


def test_of_a_device_whose_silence_nobody_has_looked_at_nothing_is_concluded() -> None:
    pipeline = new_pipeline()
    pipeline.feed([SITES, *(message(each, {"t": 1}) for each in "abc")], START)
    pipeline.feed([put("count_devices(age(t) < 60) < 2", group_by="site")], START + 1)
    pipeline.feed([message("a", {"t": 1})], START + 2)
    assert ringing(pipeline) == []  # b and c may be as fresh


def test_a_group_without_members_has_no_alert() -> None:
    pipeline = new_pipeline()
    few = put("count_devices(t > 0) < 2", clear="count_devices(t > 0) >= 3", group_by="site")
    pipeline.feed([SITES, few], START)
    pipeline.feed([message("a", {"p": 1})], START)
    assert ringing(pipeline) == []
    pipeline.feed([message("a", {"t": 1})], START)
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([TagsPut("a", {"site": "south"}, "ann")], START + 1)
    assert ringing(pipeline) == ["group:south"]


def test_a_device_that_the_rule_is_not_for_any_more_does_not_count() -> None:
    pipeline = new_pipeline()
    pipeline.feed([SITES, hot(group_by="", tags={"site": "north"})], START)
    pipeline.feed([message(each, {"t": 90}) for each in "abx"], START)
    assert ringing(pipeline) == ["group:all"]
    pipeline.feed([TagsPut("a", {"site": "south"}, "ann")], START + 1)
    assert ringing(pipeline) == []
    pipeline.feed([TagsPut("x", {"site": "north"}, "ann")], START + 2)
    assert ringing(pipeline) == ["group:all"]


def test_a_mean_over_devices_counts_each_once_however_often_it_sends() -> None:
    pipeline = new_pipeline()
    words = "{value:.1f} over {count} of {group}: {devices}"
    load = put("avg_devices(avg(t, '10s')) > 70", "load", group_by="site", message=words)
    pipeline.feed([SITES, load], START)
    pipeline.feed([message("a", {"t": 90})] + [message("b", {"t": 40})] * 9, START + 1)
    assert ringing(pipeline) == []
    (alert,) = pipeline.feed([message("c", {"t": 100})], START + 2).alerts
    assert (alert.subject, alert.value) == ("group:north", 230 / 3)
    assert alert.message == "76.7 over 3 of north: c, a, b"  # the largest first
    assert alert.cause is not None
    assert alert.cause.evidence.windows == {"avg_devices(avg(t, '10s'))": 230 / 3}
    assert alert.cause.evidence.devices == ("c", "a", "b")
    pipeline.feed([message("x", {"t": 1})], START + 3)  # of another site
    assert ringing(pipeline) == ["group:north"]
    pipeline.feed([message("a", {"t": 0})], START + 4)  # its window has 90 and 0
    assert ringing(pipeline) == []


def test_a_silent_member_goes_on_to_count_with_its_newest_value() -> None:
    pipeline = new_pipeline()
    fresh = "sum_devices(t) > 100 and count_devices(absent(t, '60s')) == 0"
    pipeline.feed([SITES, put("sum_devices(t) > 100", "sum"), put(fresh, "fresh")], START)
    pipeline.feed([message("a", {"t": 80}), message("b", {"t": 10})], START)
    (alert,) = pipeline.feed([message("b", {"t": 30})], START + 3600).alerts
    assert (alert.rule, alert.value) == ("sum", 110.0)


def test_one_member_whose_value_is_unknown_leaves_a_mean_open_but_not_what_it_cannot_change() -> (
    None
):
    pipeline = new_pipeline()
    rules = [put("avg_devices(t / p) > 2", "mean"), put("max_devices(t / p) > 2", "largest")]
    pipeline.feed([SITES, *rules], START)
    pipeline.feed([message("a", {"t": 1, "p": 0}), message("b", {"t": 9, "p": 1})], START)
    assert [alert.rule for alert in pipeline.alerts.open()] == ["largest"]
    pipeline.feed([message("b", {"t": 1})], START + 1)
    assert ringing(pipeline) == ["group:all"]  # a's may be larger
    pipeline.feed([message("a", {"p": 1})], START + 2)
    assert ringing(pipeline) == []


def test_the_hour_turns_for_all_devices_of_a_group_at_once() -> None:
    pipeline = new_pipeline()
    hour = datetime.fromtimestamp(START, ZoneInfo(TIMEZONE)).hour
    night = f"t > 5 and hour() == {hour} or t < 5 and hour() != {hour}"
    rule = put(f"count_devices({night}) < 1", group_by="site")
    pipeline.feed([SITES, rule, message("a", {"t": 9}), message("b", {"t": 1})], START)
    outcome = pipeline.feed([], START + 3600)  # a falls and b rises: one all along
    assert outcome.alerts == []


def test_a_rule_that_is_made_is_judged_at_once() -> None:
    pipeline = new_pipeline()
    pipeline.feed([SITES, *(message(each, {"t": 90}) for each in "ab")], START)
    assert len(pipeline.feed([hot()], START + 1).alerts) == 1
    retired = pipeline.feed([hot(group_by="")], START + 2).alerts
    assert [(a.subject, a.state) for a in retired] == [
        ("group:north", "cleared"),
        ("group:all", "active"),
    ]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"when": "count_devices(t > 80) > 2 and p > 3"}, "'p' at column 31 is of a single device"),
        ({"when": "count_devices(t) > 2"}, "'t' is a number; count_devices needs a condition"),
        ({"when": "count_devices(1 > 2) > 2"}, "reads no metric; expected a condition of one"),
        ({"when": "count_devices(count_devices(t > 1) > 2) > 2"}, "in another one at column 15"),
        ({"when": "count_device(t > 1) > 2"}, "did you mean count_devices?"),
        ({"when": "t > 1", "group_by": "site"}, "'site' groups devices, and 'when' counts none"),
        ({"when": "count_devices(t > 1) > 2", "clear": "t < 1"}, "clear: 't' at column 1 is of a"),
        ({"when": "count_devices(t > 1) > 2", "message": "{t}"}, "'t' is of a single device; a"),
        ({"when": "count_devices(t > 1) > 2", "message": "{device}"}, "'device' is of a single"),
        ({"when": "avg_devices(t > 1) > 2"}, "'t > 1' is a condition; avg_devices needs a number"),
        ({"when": "max_devices(age(t)) > 2"}, "grows without a reading; expected devices that are"),
        ({"when": "sum_devices(count_devices(t > 1)) > 2"}, "in another one at column 13"),
        ({"when": "avg_devices(t) > avg(t, '5m')"}, "'avg(t, '5m')' at column 18 is of a single"),
        ({"when": "sum_devices(2) > 1"}, "'2' at column 13 reads no metric; expected a number of"),
        ({"when": "count_devices(t > 1) > 2", "message": "{value}"}, "'value' is of a single"),
        ({"when": "sum_devices(t) > 2", "message": "{t}"}, "can show {value}, {count}, {group}"),
        ({"when": "count_devices(t > 1) % 2 == 1"}, "'%' at column 1 is not for groups"),
    ],
)
def test_mistakes(keys: dict[str, str], problem: str) -> None:
    with pytest.raises(RuleError) as caught:
        validate(Rule(**({"name": "r"} | keys)))  # pyright: ignore[reportArgumentType]
    assert problem in str(caught.value)


# -- laws -------------------------------------------------------------------------------------

CONDITIONS = (
    "t > 5",
    "p > 3 or t > 5",
    "t > 5 and p > 3",
    "2 < t < p",
    "t / p > 2",
    "max(t, '10s') > 6 and p < 5",
    "delta(t, '10s') > 3",
)
OF_MORE = ("absent(t, '3s')", "t > 4 and hour() >= 4", "not (t > 7 or tag('site') == 'north')")
COMPARISONS = {">=": (op.ge, 2), "<": (op.lt, 2), "==": (op.eq, 1), "!=": (op.ne, 3)}
NAMES = "abcxyz"
rows = st.fixed_dictionaries(
    {},
    optional={
        "t": st.integers(0, 9).map(float),
        "p": st.integers(0, 9).map(float),
    },
)
samples = st.tuples(st.sampled_from(NAMES), rows.filter(bool))
moves = st.tuples(st.sampled_from(NAMES), st.sampled_from(["north", "south", "east"]))


@given(
    st.sampled_from(CONDITIONS),
    st.sampled_from(list(COMPARISONS)),
    st.lists(st.lists(samples | moves, min_size=1, max_size=14), min_size=1, max_size=8),
)
@settings(max_examples=60)
def test_a_group_holds_where_counting_says_so(
    condition: str, comparison: str, batches: list[list[tuple[str, str | dict[str, Value]]]]
) -> None:
    """Against devices judged by the interpreter, and every number of unknown ones tried."""
    steady = Settings(flap_rings=1_000)  # a group that flaps is over later than it is not true
    pipeline, tree = new_pipeline(steady), parse(condition)
    compare, limit = COMPARISONS[comparison]
    names = [name for name in ("t", "p") if name in condition]
    rule = put(f"count_devices({condition}) {comparison} {limit}", group_by="site")
    pipeline.feed([SITES, rule], START)
    site = {name: "north" if name in "abc" else "south" for name in NAMES}
    devices: dict[str, ModelDevice] = defaultdict(ModelDevice)
    truths: dict[str, object] = {}
    holds: set[str] = set()
    now = START
    for batch in batches:
        now += 4.0
        records: list[Record] = []
        for name, what in batch:
            if isinstance(what, str):
                records.append(TagsPut(name, {"site": what}, "ann"))
                if name not in devices:
                    continue
                site[name] = what
            else:
                records.append(message(name, {"ts": now} | what))
                devices[name].take(now, now, what, [])
                if not what.keys().isdisjoint(names):
                    truths[name] = evaluate(tree, devices[name].history, now)
            for group in {"north", "south", "east"}:
                counted = unknown = members = 0
                for each, model in devices.items():
                    if site[each] == group:
                        truth = truths.get(each)
                        came = all(model.history.get(name) for name in names)
                        counted += truth is True
                        unknown += truth is None and came
                        members += came or truth is not None
                tried = {compare(n, limit) for n in range(counted, counted + unknown + 1)}
                if tried == {True} and members:
                    holds.add(group)
                elif tried == {False} or not members:
                    holds.discard(group)
        pipeline.feed(records, now)
        assert set(ringing(pipeline)) == {f"group:{each}" for each in holds}


VALUES = (
    "t",
    "t + p",
    "t / p",
    "avg(t, '10s')",
    "delta(t, '10s')",
    "max(t, '10s') - min(p, '10s')",
)
OVER: dict[str, Callable[[list[float]], float]] = {
    "avg_devices": lambda values: math.fsum(values) / len(values),
    "sum_devices": math.fsum,
    "min_devices": min,
    "max_devices": max,
    "p50_devices": lambda values: sorted(values)[math.ceil(len(values) / 2) - 1],
    "p90_devices": lambda values: sorted(values)[math.ceil(len(values) * 0.9) - 1],
}


@given(
    st.sampled_from(list(OVER)),
    st.sampled_from(VALUES),
    st.sampled_from(list(COMPARISONS)),
    st.integers(0, 12),
    st.lists(st.lists(samples | moves, min_size=1, max_size=14), min_size=1, max_size=8),
)
@settings(max_examples=40)
def test_a_group_holds_where_its_values_say_so(
    function: str,
    number: str,
    comparison: str,
    limit: int,
    batches: list[list[tuple[str, str | dict[str, Value]]]],
) -> None:
    """Against values found by the interpreter, unknown ones tried far below and far above."""
    steady = Settings(flap_rings=1_000)
    pipeline, tree = new_pipeline(steady), parse(number)
    compare, _ = COMPARISONS[comparison]
    names = [name for name in ("t", "p") if re.search(rf"\b{name}\b", number)]
    rule = put(f"{function}({number}) {comparison} {limit}", group_by="site")
    pipeline.feed([SITES, rule], START)
    site = {name: "north" if name in "abc" else "south" for name in NAMES}
    devices: dict[str, ModelDevice] = defaultdict(ModelDevice)
    values: dict[str, float | None] = {}
    holds: set[str] = set()
    now = START
    for batch in batches:
        now += 4.0
        records: list[Record] = []
        for name, what in batch:
            if isinstance(what, str):
                records.append(TagsPut(name, {"site": what}, "ann"))
                if name not in devices:
                    continue
                site[name] = what
            else:
                records.append(message(name, {"ts": now} | what))
                devices[name].take(now, now, what, [])
                if not what.keys().isdisjoint(names) and all(
                    devices[name].history.get(each) for each in names
                ):
                    found = evaluate(tree, devices[name].history, now)
                    assert found is None or isinstance(found, float)
                    values[name] = found
            for group in {"north", "south", "east"}:
                mine = [value for each, value in values.items() if site[each] == group]
                known = [value for value in mine if value is not None]
                tried = {
                    compare(OVER[function]([*known, *unknown]), limit)
                    for unknown in product((-1e6, float(limit), 1e6), repeat=len(mine) - len(known))
                    if mine
                }
                if len(known) < len(mine) and function in ("avg_devices", "sum_devices"):
                    tried = {True, False}  # one that is unknown can make any number of it
                if tried == {True}:
                    holds.add(group)
                elif tried == {False} or not mine:
                    holds.discard(group)
        pipeline.feed(records, now)
        assert set(ringing(pipeline)) == {f"group:{each}" for each in holds}


def one_of_three(number: int, condition: str, comparison: str, by: str) -> RulePut:
    when = f"count_devices({condition}) {comparison} {COMPARISONS[comparison][1]}"
    return put(when, f"rule {number}", group_by=by)


def value_of_three(number: int, function: str, value: str, comparison: str, by: str) -> RulePut:
    when = f"{function}({value}) {comparison} {3 * COMPARISONS[comparison][1]}"
    return put(when, f"rule {number}", group_by=by)


steps = st.one_of(
    samples.map(lambda each: message(*each)),
    samples.map(lambda each: message(*each)),
    moves.map(lambda each: TagsPut(each[0], {"site": each[1]}, "ann")),
    st.builds(DevicesExpected, st.lists(st.sampled_from("abx"), unique=True)),
    st.builds(
        one_of_three,
        st.integers(0, 2),
        st.sampled_from((*CONDITIONS, *OF_MORE)),
        st.sampled_from(list(COMPARISONS)),
        st.sampled_from(["site", ""]),
    ),
    st.builds(
        value_of_three,
        st.integers(0, 2),
        st.sampled_from(list(OVER)),
        st.sampled_from((*VALUES, "t * hour()", "t * tag_number('site')")),
        st.sampled_from(list(COMPARISONS)),
        st.sampled_from(["site", ""]),
    ),
)


@given(st.lists(st.lists(steps, min_size=1, max_size=8), min_size=1, max_size=6), st.data())
@settings(max_examples=25)
def test_restarts_ticks_batches_and_bounds_change_nothing(
    script: list[list[Record]], data: st.DataObject
) -> None:
    first: list[Record] = [
        SITES,
        hot(clear="count_devices(t > 2) <= 1", on_delay="1s"),
        put("count_devices(absent(t, '3s')) >= 2 or count_devices(p > 5) == 1", "either"),
        put("avg_devices(avg(t, '10s')) > 4 and sum_devices(p) < 20", "both", group_by="site"),
    ]
    cut = data.draw(st.integers(0, len(script)), label="batches before the restart")
    pipelines = [new_pipeline() for _ in range(4)]
    whole, apart, resumed, restless = pipelines
    events = [Events() for _ in pipelines]
    for pipeline, into in zip(pipelines, events, strict=True):
        feed(pipeline, first, START, into)
    for number, records in enumerate(script):
        now = START + 2 * number
        feed(whole, records, now, events[0])
        feed(apart, [], now - 1, events[1])
        for each in records:
            feed(apart, [each], now, events[1])
        if number == cut:
            finish(resumed, now, events[2])
            state = resumed.snapshot()
            resumed = new_pipeline()
            resumed.restore(state)
        feed(resumed, records, now, events[2])
        for each in records:
            restless._judge.mistrust()  # pyright: ignore[reportPrivateUsage] - no bounds are known
            feed(restless, [each], now, events[3])
    end = START + 2 * len(script) + 5
    for pipeline, into in zip((whole, apart, resumed, restless), events, strict=True):
        feed(pipeline, [], end, into)
        finish(pipeline, end, into)
    assert events[0].alerts == events[1].alerts
    assert events[0].alerts == events[2].alerts
    assert events[0].alerts == events[3].alerts
    assert whole.snapshot() == resumed.snapshot()
