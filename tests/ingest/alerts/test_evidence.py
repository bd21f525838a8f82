"""What a transition was caused by: the readings and windows that the rule saw when it turned."""

import pytest

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.ingest.alerts.alert import NO_EVIDENCE, Alert, Evidence
from tocsin.ingest.alerts.maintenance import Maintenance
from tocsin.ingest.facts import Action, AlertCommand, MaintenancePlanned, Record, RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule

WHEN = "t > 80 and max(t, '1h') > 50"


class Plant:
    """A pipeline with one rule, and what became of its alerts: event, state, value of `t` seen."""

    def __init__(self, **keys: str | bool | tuple[str, ...]) -> None:
        self.pipeline: Pipeline = new_pipeline()
        self.alerts: list[Alert] = []
        self._at(0.0, RulePut(Rule(name="hot", when=WHEN, clear="t < 70", **keys), "ann"))  # pyright: ignore[reportArgumentType]

    def reads(self, at: float, value: float, device: str = "a") -> None:
        self._at(at, message(device, {"t": value, "ts": START + at}))

    def does(self, at: float, action: Action, until: float | None = None) -> None:
        alert = self.alerts[-1].id
        self._at(at, AlertCommand(alert, action, "eva", "n", until and START + until))

    def restart(self, now: float) -> None:
        self.alerts += self.pipeline.settle(now).alerts
        snapshot, self.pipeline = self.pipeline.snapshot(), new_pipeline()
        self.pipeline.restore(snapshot)

    def passes(self, until: float) -> None:
        self._at(until)

    def _at(self, at: float, *records: Record) -> None:
        self.alerts += self.pipeline.feed(list(records), START + at).alerts

    def seen(self) -> list[tuple[str, float | None]]:
        return [(alert.cause.event, value_in(alert)) for alert in self.alerts if alert.cause]


def value_in(alert: Alert) -> float | None:
    assert alert.cause is not None
    evidence = alert.cause.evidence
    if evidence == NO_EVIDENCE:
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


def test_delays_go_by_the_reading_that_started_them() -> None:
    plant = Plant(on_delay="10s", off_delay="10s")
    plant.reads(1, 90)
    plant.reads(5, 95)  # it holds still: no news
    plant.passes(20)
    plant.reads(21, 60)
    plant.reads(22, 85)  # it was not over
    plant.reads(23, 65)
    plant.passes(40)
    assert plant.seen() == [("holds", 90), ("on-delay over", 90), ("off-delay over", 65)]


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
    plant.passes(60)
    assert plant.seen() == [("holds", 91), ("out_of_service", None), ("unmuted", 91)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_evidence_survives_a_restart_at_any_time(cut: int) -> None:
    through, stopped = (Plant(on_delay="2s", off_delay="2s", re_alarm="10s") for _ in "ab")
    for plant in (through, stopped):
        for at in range(12):
            plant.reads(at, 90 if at < 4 else 60)
            if at == cut and plant is stopped:
                plant.restart(START + at)
        plant.passes(30)
    assert stopped.seen() == through.seen() != []
