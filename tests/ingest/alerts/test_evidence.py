"""What a transition was caused by: the readings and windows that the rule saw, and, of what a timer
made, those that started it."""

import pytest

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.ingest.alerts.alert import NO_EVIDENCE, Alert, Evidence
from tocsin.ingest.alerts.lifecycle import TRANSITIONS, Delay, Event, Phase, Transition, phase_of
from tocsin.ingest.alerts.maintenance import Maintenance
from tocsin.ingest.facts import (
    Action,
    AlertCommand,
    MaintenancePlanned,
    Record,
    RuleDeleted,
    RulePut,
)
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule

WHEN = "t > 80 and max(t, '1h') > 50"


class Plant:
    """A pipeline with one rule, and what became of its alerts: event, state, value of `t` seen."""

    def __init__(self, **keys: str | bool | tuple[str, ...]) -> None:
        self.pipeline: Pipeline = new_pipeline()
        self.alerts: list[Alert] = []
        keys = {"when": WHEN, "clear": "t < 70"} | keys
        self._at(0.0, RulePut(Rule(name="hot", **keys), "ann"))  # pyright: ignore[reportArgumentType]

    def reads(self, at: float, value: float, device: str = "a") -> None:
        self._at(at, message(device, {"t": value, "ts": START + at}))

    def does(self, at: float, action: Action, until: float | None = None) -> None:
        alert = self.alerts[-1].id
        self._at(at, AlertCommand(alert, action, "eva", "n", until and START + until))

    def retires(self, at: float) -> None:
        self._at(at, RuleDeleted("hot", "ann"))

    def restart(self, now: float) -> None:
        self.alerts += self.pipeline.settle(now).alerts
        snapshot, self.pipeline = self.pipeline.snapshot(), new_pipeline()
        self.pipeline.restore(snapshot)

    def passes(self, until: float) -> None:
        self._at(until)

    def _at(self, at: float, *records: Record) -> None:
        self.alerts += self.pipeline.feed(list(records), START + at).alerts

    def seen(self) -> list[tuple[str, float | None]]:
        return [
            (alert.cause.event, value_in(alert.cause.evidence))
            for alert in self.alerts
            if alert.cause
        ]

    def started(self) -> list[tuple[str, float | None]]:
        """What timers made: event, value of `t` that started it."""
        return [
            (alert.cause.event, value_in(alert.cause.started_by))
            for alert in self.alerts
            if alert.cause and alert.cause.started_by is not None
        ]


def value_in(evidence: Evidence | None) -> float | None:
    if evidence is None or evidence == NO_EVIDENCE:
        return None
    (value, _) = evidence.readings["t"]
    assert isinstance(value, float)
    assert evidence.windows["max(t, '1h')"] >= value
    return value


def test_it_rings_and_is_over_at_once() -> None:
    plant = Plant()
    plant.reads(1, 90)
    plant.reads(2, 60)
    assert [alert.cause and alert.cause.evidence for alert in plant.alerts] == [
        Evidence({"t": (90.0, START + 1)}, {"max(t, '1h')": 90.0}),
        Evidence({"t": (60.0, START + 2)}, {"max(t, '1h')": 90.0}),
    ]


def test_the_end_of_a_delay_says_what_started_it_and_what_the_rule_saw_then() -> None:
    plant = Plant(on_delay="10s", off_delay="10s")
    plant.reads(1, 90)
    plant.reads(5, 95)  # it holds still: no news, but newer
    plant.passes(20)
    plant.reads(21, 60)
    plant.reads(22, 85)  # it was not over
    plant.reads(23, 65)
    plant.reads(29, 62)
    plant.passes(40)
    assert plant.seen() == [("holds", 90), ("on-delay over", 95), ("off-delay over", 62)]
    assert plant.started() == [("on-delay over", 90), ("off-delay over", 65)]
    rung = plant.alerts[1].cause
    assert rung is not None
    assert rung.evidence == Evidence({"t": (95.0, START + 5)}, {"max(t, '1h')": 95.0})
    assert rung.started_by == Evidence({"t": (90.0, START + 1)}, {"max(t, '1h')": 90.0})


def _reach(plant: Plant, phase: Phase | None) -> None:
    """Until 23 s, or, if it is pending, 20 s."""
    if phase is None:
        return
    plant.reads(20 if phase is Phase.PENDING else 0, 90)
    if phase is Phase.PENDING:
        return
    plant.passes(11)
    if phase is Phase.ACKNOWLEDGED:
        plant.does(11, "ack")
    elif phase is not Phase.ACTIVE:
        plant.reads(12, 60)
        plant.passes(22)
        if phase is Phase.LATCHED_ACKNOWLEDGED:
            plant.does(23, "ack")
    alert = plant.alerts[-1]
    assert phase_of(alert.state, alert.latched) is phase


def _bring(plant: Plant, row: Transition) -> None:
    """Let the event happen, as late as 90 s; what is read meanwhile tells nothing."""
    rings = row.before in (Phase.PENDING, Phase.ACTIVE, Phase.ACKNOWLEDGED)
    match row.event:
        case Event.HOLDS:
            if rings:
                plant.reads(24, 61)
            plant.reads(25, 91)
        case Event.FALLS:
            if not rings:
                plant.reads(24, 91)
            plant.reads(25, 61)
        case Event.ON_DELAY_OVER:
            if not rings:
                plant.reads(24, 91)
            plant.reads(28, 96)
            plant.passes(40)
        case Event.OFF_DELAY_OVER | Event.LATCHES:
            plant.reads(24, 61)
            plant.reads(28, 62)
            plant.passes(40)
        case Event.RE_ALARM:
            plant.reads(28, 97)
            plant.passes(75)
        case Event.ACKNOWLEDGE | Event.RESET:
            if row.delay is Delay.HAND_OVER:
                plant.reads(24, 93)
            plant.does(25, "ack" if row.event is Event.ACKNOWLEDGE else "reset")
        case Event.RETIRE:
            plant.retires(25)


def _expected(row: Transition) -> list[tuple[str, float | None, float | None]]:
    """By event what the rule saw, and what started it."""
    event = row.event
    match row.event:
        case Event.HOLDS:
            return [] if row.before else [(event, 91, None)]
        case Event.FALLS:
            return [(event, 61, None)] if row.before is Phase.PENDING else []
        case Event.ON_DELAY_OVER:
            return [(event, 96, 90 if row.before is Phase.PENDING else 91)]
        case Event.OFF_DELAY_OVER | Event.LATCHES:
            return [(event, 62, 61)]
        case Event.RE_ALARM:
            return [(event, 97, 90)]
        case Event.ACKNOWLEDGE | Event.RESET | Event.RETIRE:
            new = [(str(Event.HOLDS), 93, None)] if row.delay is Delay.HAND_OVER else []
            return [(event, None, None), *new]


@pytest.mark.parametrize("row", TRANSITIONS.values(), ids=lambda row: f"{row.before}: {row.event}")
def test_every_transition_of_the_table_has_its_evidence(row: Transition) -> None:
    latches = row.before in (Phase.LATCHED, Phase.LATCHED_ACKNOWLEDGED)
    plant = Plant(
        on_delay="0s" if row.before is None else "10s",
        off_delay="10s",
        latch=latches or row.event is Event.LATCHES,
        re_alarm="60s" if row.event is Event.RE_ALARM else "0s",
    )
    _reach(plant, row.before)
    before = len(plant.alerts)
    _bring(plant, row)
    told = [alert.cause for alert in plant.alerts[before:] if alert.cause]
    found = [(each.event, value_in(each.evidence), value_in(each.started_by)) for each in told]
    assert found == _expected(row)


def test_a_rule_over_ages_sees_them_grow_during_its_delay() -> None:
    plant = Plant(when="age(t) > 30", clear="age(t) < 30", on_delay="60s")
    plant.reads(0, 90)
    plant.passes(200)
    began, rung = (alert.cause for alert in plant.alerts)
    assert began is not None
    assert rung is not None
    assert rung.started_by == began.evidence
    (before,), (after,) = began.evidence.windows.values(), rung.evidence.windows.values()
    assert (before, after) == pytest.approx((30, 90), abs=0.1)


def test_a_rule_across_a_group_says_who_counted_when_its_delay_ended() -> None:
    call = "count_devices(t > 80)"
    plant = Plant(when=f"{call} >= 2", clear=f"{call} < 2", on_delay="10s")
    plant.reads(0, 90, "a")
    plant.reads(1, 90, "b")
    plant.reads(4, 90, "c")
    plant.reads(5, 60, "a")
    plant.reads(6, 90, "d")
    plant.passes(20)
    _, rung = (alert.cause for alert in plant.alerts)
    assert rung is not None
    assert rung.started_by == Evidence({}, {call: 2.0}, ("a", "b"))
    assert rung.evidence == Evidence({}, {call: 3.0}, ("b", "c", "d"))


def test_what_latches_rings_again_and_is_shelved_says_what_the_rule_saw_last() -> None:
    plant = Plant(latch=True, off_delay="10s", re_alarm="60s")
    plant.reads(0, 90)
    plant.passes(60)
    plant.reads(70, 60)
    plant.reads(71, 99)  # not over
    plant.does(72, "shelve", until=100)
    plant.passes(120)
    plant.reads(130, 50)
    plant.passes(140)
    plant.reads(150, 98)  # the same alert rings again
    plant.does(151, "ack")
    assert plant.seen() == [
        ("holds", 90),
        ("re-alarm", 90),
        ("shelve", None),
        ("shelve expired", 99),
        ("re-alarm", 99),
        ("off-delay over, latching", 50),
        ("holds", 98),
        ("ack", None),
    ]
    assert plant.started() == [
        ("re-alarm", 90),
        ("shelve expired", 99),
        ("re-alarm", 99),
        ("off-delay over, latching", 50),
    ]


def test_what_is_back_when_it_is_acknowledged_is_a_new_alert_with_its_reading() -> None:
    plant = Plant(on_delay="10s")
    plant.reads(0, 90)
    plant.passes(10)
    plant.reads(11, 60)
    plant.reads(12, 97)
    plant.does(13, "ack")
    plant.passes(30)
    assert plant.seen() == [
        ("holds", 90),
        ("on-delay over", 90),
        ("falls", 60),
        ("ack", None),
        ("holds", 97),
        ("on-delay over", 97),
    ]
    assert len({alert.id for alert in plant.alerts}) == 2


def test_what_is_heard_again_after_maintenance_says_why_it_rings() -> None:
    plant = Plant()
    plan = Maintenance("m", "a", START, START + 50, "eva")
    plant.reads(1, 91)
    plant.alerts += plant.pipeline.feed([MaintenancePlanned(plan)], START + 2).alerts
    plant.reads(9, 94)
    plant.passes(60)
    assert plant.seen() == [("holds", 91), ("out_of_service", None), ("unmuted", 94)]
    assert plant.started() == [("unmuted", 91)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_evidence_survives_a_restart_at_any_time(cut: int) -> None:
    through, stopped = (Plant(on_delay="2s", off_delay="2s", re_alarm="10s") for _ in "ab")
    for plant in (through, stopped):
        for at in range(12):
            plant.reads(at, 90 + at if at < 4 else 60 - at)
            if at == cut and plant is stopped:
                plant.restart(START + at)
        plant.passes(30)
    assert [alert.cause for alert in stopped.alerts] == [alert.cause for alert in through.alerts]
    assert through.started() == [("on-delay over", 90), ("off-delay over", 56)]
    assert through.seen()[1:] == [("on-delay over", 91), ("off-delay over", 55)]
