"""Tags: where they come from, which rules they select, what rules read of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.ingest.rules.interpreter import with_tags
from tests.ingest.rules.trees import conditions
from tests.ingest.scripts import START, Events, feed, finish, message, new_pipeline
from tests.ingest.test_pipeline_rules import ModelDevice, active, checked, samples
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.profile import ProfileTable
from tocsin.devices.tags import TagTable
from tocsin.devices.topics import TopicPattern
from tocsin.ingest.facts import (
    DevicesExpected,
    ProfilesConfigured,
    Record,
    RulePut,
    TagsConfigured,
    TagsPut,
)
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.expression import Expression
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate
from tocsin.ingest.settings import Settings

NORTH = {"site": "north"}
PATTERN = TopicPattern("plant/{site}/{device}", "{device}")


def by_topic(site: str, device: str = "d", payload: bytes = b'{"t": 9}') -> Message:
    return Message("gateway", f"plant/{site}/{device}", payload)


def plant() -> Pipeline:
    return Pipeline(Settings(), Decoder([PATTERN]))


def tags_of(pipeline: Pipeline, device: str = "d") -> Mapping[str, str]:
    view = pipeline.device(device)
    assert view is not None
    return view.tags


def rule(when: str = "t > 5", **keys: object) -> RulePut:
    return RulePut(Rule(name="hot", when=when, **keys), "ann")  # pyright: ignore[reportArgumentType]


def test_of_one_name_the_persons_tag_wins_then_the_settings_then_the_topics() -> None:
    pipeline = plant()
    pipeline.feed([by_topic("north")], START)
    assert tags_of(pipeline) == {"site": "north"}
    tables = [TagTable("?", {"site": "south", "line": "1"}), TagTable("d", {"line": "2"})]
    pipeline.feed([TagsConfigured(tables)], START)
    assert tags_of(pipeline) == {"site": "south", "line": "2"}
    pipeline.feed([TagsPut("d", {"site": "east"}, "ann")], START)
    assert tags_of(pipeline) == {"site": "east", "line": "2"}
    pipeline.feed([TagsPut("d", {}, "ann"), TagsConfigured([])], START)
    assert tags_of(pipeline) == {"site": "north"}


def test_a_device_that_comes_later_has_the_tags_of_the_settings() -> None:
    pipeline = new_pipeline()
    pipeline.feed([TagsConfigured([TagTable("b*", NORTH)])], START)
    pipeline.feed([message("a", {"t": 1}), message("b", {"t": 1})], START)
    assert (tags_of(pipeline, "a"), tags_of(pipeline, "b")) == ({}, NORTH)


def test_a_rule_is_for_the_devices_that_have_its_tags() -> None:
    pipeline = new_pipeline()
    pipeline.feed([TagsConfigured([TagTable("b*", NORTH | {"line": "1"})])], START)
    pipeline.feed([rule(tags=NORTH, devices="*1")], START)
    sent = [message(device, {"t": 9}) for device in ("a1", "b1", "b2")]
    assert [alert.subject for alert in pipeline.feed(sent, START).alerts] == ["b1"]


def test_an_alert_ends_when_its_device_loses_the_tag_and_rings_again_with_it() -> None:
    pipeline = new_pipeline()
    pipeline.feed([rule(tags=NORTH), message("d", {"t": 9}), TagsPut("d", NORTH, "ann")], START)
    assert [a.state for a in pipeline.feed([message("d", {"t": 8})], START + 1).alerts] == [
        "active"
    ]
    (ended,) = pipeline.feed([TagsPut("d", {"site": "south"}, "ann")], START + 2).alerts
    assert (ended.state, ended.comments[-1].note) == ("cleared", "tags changed")
    assert pipeline.feed([message("d", {"t": 9})], START + 3).alerts == []
    pipeline.feed([TagsPut("d", NORTH, "ann")], START + 4)
    assert len(pipeline.feed([message("d", {"t": 9})], START + 5).alerts) == 1


def test_a_rule_that_reads_a_tag_turns_when_the_tag_does() -> None:
    pipeline = new_pipeline()
    pipeline.feed([rule("t > 5 and tag('site') == 'north'"), message("d", {"t": 9})], START)
    (rung,) = pipeline.feed([TagsPut("d", NORTH, "ann")], START + 1).alerts
    assert rung.state == "active"
    (over,) = pipeline.feed([TagsPut("d", {"site": "south"}, "ann")], START + 2).alerts
    assert over.state == "cleared_unacknowledged"


def test_a_limit_of_its_own() -> None:
    pipeline = new_pipeline()
    tables = [TagTable("a", {"limit": "10"}), TagTable("b", {"limit": "20.5"}), TagTable("c")]
    words = "{device} is over {tag.limit}"
    pipeline.feed([TagsConfigured(tables), rule("t > tag_number('limit')", message=words)], START)
    for t, ringing in ((9, []), (15, ["a"]), (25, ["b"])):
        sent = [message(device, {"t": t}) for device in "abc"]
        assert [each.subject for each in pipeline.feed(sent, START + t).alerts] == ringing
    assert [a.message for a in pipeline.alerts.open()] == ["a is over 10", "b is over 20.5"]
    pipeline.feed([TagsPut("a", {"limit": "30"}, "ann")], START + 30)
    assert [a.subject for a in pipeline.alerts.open() if a.active] == ["b"]


def test_a_rule_over_silence_begins_with_the_tag() -> None:
    pipeline = new_pipeline()
    silent = rule("absent(t, '10s')", tags=NORTH)
    pipeline.feed([silent, message("d", {"t": 9})], START)
    assert pipeline.feed([], START + 60).alerts == []
    assert len(pipeline.feed([TagsPut("d", NORTH, "ann")], START + 60).alerts) == 1
    pipeline.feed([message("e", {"t": 9}), TagsPut("e", NORTH, "ann")], START + 61)
    assert pipeline.feed([], START + 71).alerts == []
    assert [a.subject for a in pipeline.feed([], START + 72).alerts] == ["e"]


def test_the_newest_topic_counts_also_after_messages_of_the_one_before() -> None:
    pipeline = plant()
    for site in ("north", "south", "north", "north", "south"):
        pipeline.feed([by_topic(site)], START)
        assert tags_of(pipeline) == {"site": site}


def test_a_device_that_was_expected_gets_its_topics_tags_with_its_first_message() -> None:
    pipeline = plant()
    pipeline.feed([DevicesExpected(["d"]), rule(tags=NORTH)], START)
    assert len(pipeline.feed([by_topic("north")], START + 1).alerts) == 1


def test_a_level_that_can_be_no_tag_is_refused_with_its_reason() -> None:
    pipeline = plant()
    pipeline.feed([by_topic("x" * 200, "d")], START)
    assert pipeline.device("d") is None
    assert pipeline.stats().strangers_total == 1


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"when": "t > 5 and tag(site) == 'n'"}, "'site' is no tag; tag needs the name of one in"),
        ({"when": "t > 5 and tag('a b') == 'n'"}, "'a b' is no name of a tag; expected 1 to 64"),
        ({"when": "t > 5 and tag('site') > 3"}, "'tag('site')' is text; '>' needs a number"),
        ({"when": "t > 5 and tag('site') == t"}, "'t' at column 26 is compared with a tag"),
        ({"when": "t > 5 and tog('site') == 'n'"}, "column 11; did you mean tag?"),
        ({"when": "tag('site') == 'north'"}, "reads no metric"),
        ({"tags": {"a/b": "n"}}, "'a/b' is no name of a tag"),
        ({"tags": {"site": "a/b"}}, "tag site is 'a/b'; expected"),
    ],
)
def test_mistakes(keys: dict[str, object], problem: str) -> None:
    with pytest.raises(RuleError) as caught:
        validate(Rule(**({"name": "r", "when": "t > 5"} | keys)))  # pyright: ignore[reportArgumentType]
    assert problem in str(caught.value)


# -- laws -------------------------------------------------------------------------------------

trees = conditions(["a", "b", "c"], ["s"], hours=False, tags=True)
tags = st.dictionaries(
    st.sampled_from(["site", "limit"]), st.sampled_from(["north", "south", "3", "2.5"])
)
moves = st.tuples(st.sampled_from("abcdefgh"), tags)


LIMITS = {"limit": 2.5}
STATED = ProfilesConfigured(
    [ProfileTable("*", LIMITS), ProfileTable("*", {"limit": 1.0, "site": 1.0})]
)


class TaggedDevice(ModelDevice):
    """As the contract has it, with tags."""

    def judge(self, rule: CheckedRule, now: float) -> None:
        tags = self.tags
        when = with_tags(rule.when, tags, LIMITS)
        clear = rule.clear and with_tags(rule.clear, tags, LIMITS)
        super().judge(_with(rule, when, clear), now)

    tags: Mapping[str, str] = {}


def _with(rule: CheckedRule, when: Expression, clear: Expression | None) -> CheckedRule:
    return replace(rule, when=when, clear=clear)


@given(
    st.lists(st.tuples(trees, st.none() | trees, tags), min_size=1, max_size=5),
    st.lists(st.lists(moves | samples, min_size=1, max_size=12), min_size=1, max_size=8),
)
@settings(max_examples=100)
def test_rules_hold_where_the_interpreter_says_so_whatever_the_tags(
    asked: list[tuple[Expression, Expression | None, dict[str, str]]],
    batches: list[list[tuple[str, dict[str, str]] | tuple[str, float, dict[str, object]]]],
) -> None:
    rules = checked([(when, clear) for when, clear, _ in asked])
    rules = [
        validate(_tagged(each.rule, asked[int(each.rule.name.split()[1])][2])) for each in rules
    ]
    pipeline = new_pipeline()
    pipeline.feed([STATED, *(RulePut(rule.rule, "ann") for rule in rules)], START)
    devices: dict[str, TaggedDevice] = defaultdict(TaggedDevice)
    # Other tags may be another silence, which turns a rule at once.
    silent = {rule.rule.name for rule in rules if rule.tagged and rule.clocked}
    retagged = False
    now = START
    for batch in batches:
        now += 4.0
        if pipeline.feed([], now).alerts:
            return  # silence turned a rule: of that test_absence.py knows, and not this model
        records: list[Record] = []
        for step in batch:
            if len(step) == 2:
                records.append(TagsPut(step[0], step[1], "ann"))
            elif step[2]:
                records.append(message(step[0], {"ts": now + step[1]} | step[2]))
        pipeline.feed(records, now)
        for step in batch:
            if len(step) == 2:
                _retag(devices, step[0], step[1], rules, now)
            elif step[2]:
                model = devices[step[0]]
                covering = [each for each in rules if each.devices.matches(step[0], model.tags)]
                model.take(now + step[1], now, step[2], covering)  # pyright: ignore[reportArgumentType]
        retagged |= any(len(step) == 2 for step in batch)
        unsure = silent if retagged else set[str]()
        expected = {(name, d) for d, model in devices.items() for name in model.holds - unsure}
        assert {each for each in active(pipeline) if each[0] not in unsure} == expected


def _tagged(rule: Rule, tags: dict[str, str]) -> Rule:
    return structs.replace(rule, tags=tags if len(tags) == 1 else {})


def _retag(
    devices: dict[str, TaggedDevice],
    name: str,
    tags: dict[str, str],
    rules: Sequence[CheckedRule],
    now: float,
) -> None:
    if name not in devices or devices[name].tags == tags:
        return
    model = devices[name]
    model.tags = tags
    for rule in rules:
        if not rule.devices.matches(name, tags):
            model.holds.discard(rule.rule.name)
        elif rule.tagged and not rule.clocked:
            model.judge(rule, now)


steps = st.one_of(
    st.builds(
        by_topic,
        st.sampled_from(["north", "south"]),
        st.sampled_from("abc"),
        st.sampled_from([b'{"t": 1}', b'{"t": 9}', b'{"t": 7, "p": 1}', b"rubbish"]),
    ),
    st.builds(message, st.sampled_from("abc"), st.sampled_from([{"t": 1}, {"t": 9}])),
    st.builds(TagsPut, st.sampled_from("abc"), tags, st.just("ann")),
    st.builds(
        TagsConfigured,
        st.lists(st.builds(TagTable, st.sampled_from(["*", "a", "[bc]"]), tags), max_size=2),
    ),
    st.builds(
        ProfilesConfigured,
        st.lists(
            st.builds(
                ProfileTable,
                st.sampled_from(["*", "a", "[bc]"]),
                st.dictionaries(st.sampled_from(["limit", "quiet"]), st.sampled_from([2.0, 5.0])),
            ),
            max_size=2,
        ),
    ),
    st.builds(DevicesExpected, st.lists(st.sampled_from("abc"), unique=True)),
)


@given(st.lists(st.lists(steps, min_size=1, max_size=8), min_size=1, max_size=6), st.data())
@settings(max_examples=60)
def test_restart_ticks_and_batches_change_nothing(
    script: list[list[Record]], data: st.DataObject
) -> None:
    first: list[Record] = [
        rule("t > tag_number('limit') or t > 5", tags=NORTH),
        RulePut(Rule(name="silent", when="absent(t, '3s')", tags=NORTH, clear="t < 8"), "ann"),
        RulePut(Rule(name="read", when="t > 5 and tag('site') != 'south'", devices="[ab]"), "ann"),
        RulePut(Rule(name="own", when="t > limit('limit') or age(t) > limit('quiet')"), "ann"),
        RulePut(Rule(name="many", when="t > 6", tags={"limit": "3"}), "ann"),
    ]
    cut = data.draw(st.integers(0, len(script)), label="batches before the restart")
    whole, apart, resumed = plant(), plant(), plant()
    events, others, again = Events(), Events(), Events()
    for pipeline, into in ((whole, events), (apart, others), (resumed, again)):
        feed(pipeline, first, START, into)
    for number, records in enumerate(script):
        now = START + 2 * number
        feed(whole, records, now, events)
        feed(apart, [], now - 1, others)
        for each in records:
            feed(apart, [each], now, others)
        if number == cut:
            finish(resumed, now, again)
            state = resumed.snapshot()
            resumed = plant()
            resumed.restore(state)
        feed(resumed, records, now, again)
    end = START + 2 * len(script)
    for pipeline, into in ((whole, events), (apart, others), (resumed, again)):
        feed(pipeline, [], end, into)
        finish(pipeline, end, into)
    assert events.alerts == others.alerts == again.alerts
    assert whole.devices() == apart.devices() == resumed.devices()
    assert whole.snapshot() == resumed.snapshot()
