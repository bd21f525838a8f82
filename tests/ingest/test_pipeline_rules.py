"""Rules as the pipeline judges them, in both compiled forms, against the plain interpreter."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ingest.rules.interpreter import Value, at_the_time, evaluate
from tests.ingest.rules.trees import conditions
from tests.ingest.scripts import PROFILES, START, TIMEZONE, message, new_pipeline
from tocsin.ingest.facts import AlertCommand, Fact, RuleDeleted, RuleFileLoaded, RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.expression import Expression
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import CheckedRule, validate

LATENESS_S = 60.0
COUNTERS = PROFILES[0].counters
DEVICES = ("a", "b", "c", "d", "e", "f", "g", "h")

Sample = tuple[str, float, dict[str, Value]]  # device, event time from START, values


@dataclass
class ModelDevice:
    """A device as the contract has it: readings in order of arrival, and which rules hold."""

    watermark: float = -math.inf
    seen: set[tuple[str, float, Value]] = field(default_factory=set[tuple[str, float, Value]])
    history: dict[str, list[tuple[float, Value]]] = field(
        default_factory=lambda: defaultdict[str, list[tuple[float, Value]]](list)
    )
    kinds: dict[str, type] = field(default_factory=dict[str, type])
    holds: set[str] = field(default_factory=set[str])

    def take(
        self, stated: float, now: float, values: dict[str, Value], rules: Sequence[CheckedRule]
    ) -> None:
        time = min(stated, now)
        late = time < self.watermark - LATENESS_S
        fitting = {metric: value for metric, value in values.items() if self._fits(metric, value)}
        if fitting:  # else nothing of it was taken, and it says nothing of the device's time
            self.watermark = max(self.watermark, time)
        current: set[str] = set()
        for metric, value in fitting.items():
            readings = self.history[metric]
            if late or (metric, stated, value) in self.seen:
                continue
            self.seen.add((metric, stated, value))
            if all(time >= other for other, _ in readings):
                current.add(metric)
            readings.append((time, value))
        for rule in rules:
            if current if rule.clocked else current.intersection(rule.metrics):
                self.judge(rule, now)

    def _fits(self, metric: str, value: Value) -> bool:
        """Whether the value is taken. Numbers after texts are a metric that begins anew."""
        kind = self.kinds.setdefault(metric, type(value))
        if kind is str and type(value) is float:
            self.history[metric].clear()
            self.kinds[metric] = float
            return True
        return (kind is str) is (type(value) is str)

    def judge(self, rule: CheckedRule, now: float) -> None:
        local = datetime.fromtimestamp(now, ZoneInfo(TIMEZONE))
        true = evaluate(at_the_time(rule.when, local), self.history, self.watermark, COUNTERS)
        if true is True:
            self.holds.add(rule.rule.name)
        elif rule.clear is None:
            if true is False:
                self.holds.discard(rule.rule.name)
        elif (
            evaluate(at_the_time(rule.clear, local), self.history, self.watermark, COUNTERS) is True
        ):
            self.holds.discard(rule.rule.name)


def checked(trees: Sequence[tuple[Expression, Expression | None]]) -> list[CheckedRule]:
    """Rules of these conditions, each for another part of the devices; without a metric: none."""
    rules: list[CheckedRule] = []
    for index, (when, clear) in enumerate(trees):
        if not check(when).metrics or (clear and not check(clear).metrics):
            continue
        rule = Rule(
            name=f"rule {index}",
            when=print_expression(when),
            clear=print_expression(clear) if clear else None,
            devices=("*", "?", "a", "[x]", "*a*")[index % 5],
        )
        rules.append(validate(rule))
    return rules


def active(pipeline: Pipeline) -> set[tuple[str, str | None]]:
    return {(alert.rule, alert.device) for alert in pipeline.alerts.open() if alert.active}


numbers = st.integers(0, 5).map(float) | st.booleans()
samples = st.tuples(
    st.sampled_from(DEVICES),
    st.sampled_from((0.0, 0.0, 0.25, 1.0, 200.0, -0.5, -3.0, -59.0, -200.0)),
    st.fixed_dictionaries(
        {},
        optional={
            "a": numbers,
            "b": numbers,
            "c": numbers | st.sampled_from(["run", "ERR"]),
            "ticks": numbers,
            "s": st.sampled_from(["run", ""]),
        },
    ),
)
trees = conditions(["a", "b", "c", "ticks"], ["s"], hours=False)
hourly = conditions(["a", "b", "c", "ticks"], ["s"], ages=False)


@given(
    st.lists(st.tuples(trees, st.none() | trees), min_size=1, max_size=6),
    st.lists(st.lists(samples, min_size=1, max_size=16), min_size=1, max_size=8),
    st.lists(st.sampled_from((0.0, 0.5, 4.0, 30.0)), min_size=8, max_size=8),
)
@settings(max_examples=80)
def test_rules_hold_where_the_interpreter_says_so(
    conditions_of_rules: list[tuple[Expression, Expression | None]],
    batches: list[list[Sample]],
    gaps_s: list[float],
) -> None:
    rules = checked(conditions_of_rules)
    pipeline = new_pipeline()
    pipeline.feed([RulePut(rule.rule, "ann") for rule in rules], START)
    devices: dict[str, ModelDevice] = defaultdict(ModelDevice)
    now = START
    for gap_s, batch in zip(gaps_s, batches, strict=False):
        now += gap_s
        if pipeline.feed([], now).alerts:
            return  # silence turned a rule: of that test_absence.py knows, and not this model
        pipeline.feed(
            [message(d, {"ts": now + ahead} | values) for d, ahead, values in batch if values], now
        )
        for device, ahead, values in batch:
            if values:
                covering = [rule for rule in rules if rule.devices.matches(device, {})]
                devices[device].take(now + ahead, now, values, covering)
        expected = {(name, d) for d, model in devices.items() for name in model.holds}
        assert active(pipeline) == expected


@given(
    st.lists(st.tuples(hourly, st.none() | hourly), min_size=1, max_size=6),
    st.lists(st.lists(samples, min_size=1, max_size=16), min_size=1, max_size=8),
    st.lists(st.sampled_from((0.0, 4.0, 30.0, 60.0, 1800.0, 7200.0)), min_size=8, max_size=8),
)
@settings(max_examples=80)
def test_rules_hold_where_the_interpreter_says_so_whatever_the_hour(
    conditions_of_rules: list[tuple[Expression, Expression | None]],
    batches: list[list[Sample]],
    gaps_s: list[float],
) -> None:
    rules = checked(conditions_of_rules)
    pipeline = new_pipeline()
    pipeline.feed([RulePut(rule.rule, "ann") for rule in rules], START)
    devices: dict[str, ModelDevice] = defaultdict(ModelDevice)
    now = START
    turn = START + 100  # when the hour turns in Kathmandu
    for gap_s, batch in zip(gaps_s, batches, strict=False):
        now += gap_s
        pipeline.feed([], now)
        while turn <= now:
            for device, model in devices.items():
                for rule in rules:
                    if rule.devices.matches(device, {}) and re.search(
                        r"hour|weekday", f"{rule.rule.when} {rule.rule.clear}"
                    ):
                        model.judge(rule, turn)
            turn += 3600
        assert active(pipeline) == {(n, d) for d, model in devices.items() for n in model.holds}
        pipeline.feed(
            [message(d, {"ts": now + ahead} | values) for d, ahead, values in batch if values], now
        )
        for device, ahead, values in batch:
            if values:
                covering = [rule for rule in rules if rule.devices.matches(device, {})]
                devices[device].take(now + ahead, now, values, covering)
        assert active(pipeline) == {(n, d) for d, model in devices.items() for n in model.holds}


def ringing(rule: Rule, rows: Sequence[dict[str, Value]], batch: int) -> list[str]:
    """States of the alert of device `d` over its rows, sent in batches of that many."""
    pipeline = new_pipeline()
    pipeline.feed([RulePut(rule, "ann")], START)
    states: list[str] = []
    for start in range(0, len(rows), batch):
        messages = [message("d", row) for row in rows[start : start + batch]]
        states += [alert.state for alert in pipeline.feed(messages, START + start).alerts]
    return states


def test_a_spike_of_one_sample_rings_in_a_batch_of_a_thousand() -> None:
    rows: list[dict[str, Value]] = [{"temp_c": 20.0 + 75 * (index == 500)} for index in range(1000)]
    rule = Rule(name="hot", when="temp_c > 80")
    assert ringing(rule, rows, 1000) == ["active", "cleared_unacknowledged"]


def test_a_spike_among_many_devices_rings_for_its_device_only() -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="hot", when="temp_c > 80"), "ann")], START)
    batch = [message(f"d{index % 100}", {"temp_c": 20.0}) for index in range(1000)]
    batch[437] = message("d37", {"temp_c": 95.0})
    alerts = pipeline.feed(batch, START).alerts
    assert [(alert.subject, alert.state) for alert in alerts] == [
        ("d37", "active"),
        ("d37", "cleared_unacknowledged"),
    ]


def test_unknown_neither_rings_nor_clears() -> None:
    rule = Rule(name="both", when="t > 80 and p > 5")
    rows: list[dict[str, Value]] = [
        {"t": 95.0},  # p is unknown: does not ring
        {"p": 9.0},  # rings
        {"t": 95.0, "p": 9.0},
        {"p": 1.0},  # clears
    ]
    assert ringing(rule, rows, 1) == ["active", "cleared_unacknowledged"]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("when", ["max(t, '5m') > 3", "avg(t, '5m') > 1", "sum(t, '5m') > 7"])
def test_codes_of_texts_are_in_no_window(when: str, batch: int) -> None:
    rule = Rule(name="high", when=f"{when} or state == 'e'")  # texts have small codes: 0, 1, …
    rows: list[dict[str, Value]] = [{"state": text, "t": text} for text in "abcde"]
    states = ringing(replace(rule, when=when), [*rows, {"t": 0.5}, {"t": 0.25}], batch)
    assert states == []
    assert ringing(rule, rows, batch) == ["active"]


@pytest.mark.parametrize("lead_s", [2, 59, 61, 240, 299])
@pytest.mark.parametrize("when", ["t > 80", "avg(t, '1m') > 60", "max(t, '10s') > 80"])
def test_a_clock_that_was_ahead_once_silences_nothing(when: str, lead_s: float) -> None:
    """The device is `lead_s` ahead of us for a reading, then its clock is right again."""
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="hot", when=when), "ann")], START)
    pipeline.feed([message("d", {"ts": START + 1 + lead_s, "t": 20.0})], START + 1)
    for second in range(2, 5):
        pipeline.feed([message("d", {"ts": START + second - 0.05, "t": 300.0})], START + second)
    assert active(pipeline) == {("hot", "d")}
    for second in range(100, 103):
        pipeline.feed([message("d", {"ts": START + second - 0.05, "t": 20.0})], START + second)
    assert active(pipeline) == set()
    device = pipeline.device("d")
    assert device is not None
    assert (device.late_total, device.metrics["t"].time) == (0, START + 101.95)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_text_is_judged_before_the_number_that_replaces_it(batch: int) -> None:
    rule = Rule(name="broken", when="t == 'ERR'")
    assert ringing(rule, [{"t": "ERR"}, {"t": 21.5}], batch) == ["active"]


def test_a_deadband_holds_between_when_and_clear() -> None:
    rule = Rule(name="hot", when="t > 80", clear="t < 75")
    rows: list[dict[str, Value]] = [{"t": t} for t in (81.0, 77.0, 81.0, 77.0, 74.0, 77.0)]
    for batch in (1, 6):
        assert ringing(rule, rows, batch) == ["active", "cleared_unacknowledged"]


def test_the_alert_has_the_values_of_its_row() -> None:
    pipeline = new_pipeline()
    rule = Rule(name="hot", when="t > 80", message="{device} {t:.1f} {state} {missing}")
    pipeline.feed([RulePut(rule, "ann")], START)
    rows = [{"t": 90.5, "state": "run"}, {"t": 10.0, "state": "stop"}]
    alerts = pipeline.feed([message("d", rows)], START).alerts
    assert [(alert.value, alert.message) for alert in alerts[:1]] == [(90.5, "d 90.5 run ?")]


def change(
    before: Rule, edit: Callable[[Rule], Rule]
) -> tuple[list[tuple[str, str]], set[tuple[str, str | None]]]:
    """Edit a rule that rings for `d`: alerts changed by that, and what is active one reading on."""
    pipeline = new_pipeline()
    pipeline.feed([RulePut(before, "ann"), message("d", {"t": 90.0})], START)
    assert active(pipeline) == {(before.name, "d")}
    changed = pipeline.feed([RulePut(edit(before), "ann")], START + 1).alerts
    pipeline.feed([message("d", {"t": 90.0})], START + 2)
    return [(alert.rule, alert.state) for alert in changed], active(pipeline)


def test_editing_the_words_of_a_rule_leaves_its_alerts_alone() -> None:
    def edit(rule: Rule) -> Rule:
        return Rule(name=rule.name, when=rule.when, message="hot!", on_delay="5s")

    assert change(Rule(name="hot", when="t > 80"), edit) == ([], {("hot", "d")})


def test_a_rule_that_asks_something_else_ends_its_alerts_and_judges_anew() -> None:
    def edit(rule: Rule) -> Rule:
        return Rule(name=rule.name, when="t > 85")

    retired = [("hot", "cleared")]
    assert change(Rule(name="hot", when="t > 80"), edit) == (retired, {("hot", "d")})


def test_a_disabled_rule_ends_its_alerts_and_judges_nothing() -> None:
    def edit(rule: Rule) -> Rule:
        return Rule(name=rule.name, when=rule.when, enabled=False)

    assert change(Rule(name="hot", when="t > 80"), edit) == ([("hot", "cleared")], set())


def test_a_new_rule_judges_from_the_next_reading_on() -> None:
    pipeline = new_pipeline()
    pipeline.feed([message("d", {"t": 90.0})], START)
    put = RulePut(Rule(name="hot", when="t > 80"), "ann")
    outcome = pipeline.feed([message("d", {"t": 91.0}), put, message("e", {"t": 92.0})], START + 1)
    assert outcome.rules_changed
    assert active(pipeline) == {("hot", "e")}
    pipeline.feed([message("d", {"p": 1.0})], START + 2)
    assert active(pipeline) == {("hot", "e")}
    pipeline.feed([message("d", {"t": 93.0})], START + 3)
    assert active(pipeline) == {("hot", "d"), ("hot", "e")}


def test_a_window_asked_of_anew_keeps_what_it_has() -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="mean", when="avg(t, '1m') > 50"), "ann")], START)
    pipeline.feed([message("d", {"t": 90.0})], START)
    pipeline.feed([RulePut(Rule(name="most", when="max(t, '1m') > 80"), "ann")], START + 1)
    pipeline.feed([RulePut(Rule(name="rise", when="delta(t, '1m') < 0"), "ann")], START + 2)
    pipeline.feed([message("d", {"t": 20.0})], START + 3)
    assert active(pipeline) == {("mean", "d"), ("most", "d")}
    pipeline.feed([message("d", {"t": 19.0})], START + 4)
    assert active(pipeline) == {("most", "d"), ("rise", "d")}


HOT = Rule(name="hot", when="t > 80")


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        (RuleDeleted("hot", "ann"), "rule deleted"),
        (RulePut(replace(HOT, enabled=False), "ann"), "rule disabled"),
        (RulePut(replace(HOT, when="t > 85"), "ann"), "rule changed"),
    ],
)
def test_an_alert_says_what_became_of_its_rule(fact: Fact, reason: str) -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(HOT, "ann"), message("d", {"t": 90.0})], START)
    (alert,) = pipeline.feed([fact], START + 1).alerts
    assert alert.comments[-1].note == reason


def test_what_cannot_be_applied_is_told_in_plain_words() -> None:
    pipeline = new_pipeline()
    command = AlertCommand("gone", "ack", "ann")
    (problem,) = pipeline.feed([command], START).problems
    assert problem == "alert 'gone' is neither open nor recent"


def test_rules_from_a_file_name_it() -> None:
    pipeline = new_pipeline()
    pipeline.feed([RuleFileLoaded([HOT], "plant.toml")], START)
    entry = pipeline.rules.get("hot")
    assert entry is not None
    assert entry.source == "file:plant.toml"
