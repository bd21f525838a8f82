"""The default rules over hours of simulated time, judged by the real pipeline: every hazard rings
each of its rules once, nothing else rings, and all is clear soon after the hazard's end."""

from collections import defaultdict
from dataclasses import dataclass

import pytest

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.facts import RuleFileLoaded
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.loading import load_rules
from tocsin.ingest.settings import Settings
from tocsin.simulators import rules_file
from tocsin.simulators.hazards import Truth
from tocsin.simulators.plant import Plant
from tocsin.simulators.simulation import telemetry

BEGAN_AT = 1_700_000_000.0
CLEAR_AFTER_S = 15.0
"""A mean over ten seconds forgets the hazard that much later, and a bit."""


@dataclass
class Ring:
    """A rule rang on a device, from `at` until `cleared`, in scenario time."""

    rule: str
    device: str
    at: float
    cleared: float | None = None


def judge(plant: Plant, seconds: int) -> list[Ring]:
    """What rang while the plant lived that long, with a feed of the pipeline each second."""
    pipeline = Pipeline(Settings(), Decoder())
    pipeline.feed([RuleFileLoaded(load_rules(rules_file("plant")))], BEGAN_AT)
    rings: list[Ring] = []
    ringing: dict[tuple[str, str], Ring] = {}
    for now in range(1, seconds + 1):
        batch: list[Message] = []
        while plant.next_at <= now:
            sample = plant.sample()
            topic = f"devices/{sample.device}/telemetry"
            batch.append(Message(sample.device, topic, telemetry(sample, BEGAN_AT + sample.at)))
        for alert in pipeline.feed(batch, BEGAN_AT + now).alerts:
            key = (alert.rule, alert.subject)
            if alert.active and key not in ringing:
                ringing[key] = Ring(*key, at=now)
                rings.append(ringing[key])
            elif not alert.active and key in ringing:
                ringing.pop(key).cleared = now
    assert pipeline.stats().late_total == 0
    return rings


def check_rings_on_hazards_alone(seed: int, devices: int, seconds: int) -> None:
    plant = Plant(devices, 1.0, seed)
    rings = judge(plant, seconds)
    truths = plant.ended() + plant.unfinished()
    rang: dict[tuple[str, float], list[str]] = defaultdict(list)
    for ring in rings:
        truth = hazard_of(ring, truths)
        assert truth is not None, f"{ring} without a hazard"
        rang[truth.device, truth.start].append(ring.rule)
        if truth.end is not None and truth.end + CLEAR_AFTER_S < seconds:
            assert ring.cleared is not None
            assert ring.cleared <= truth.end + CLEAR_AFTER_S
    for truth in truths:
        if truth.end is not None or seconds - truth.start > 60.0:
            assert sorted(rang[truth.device, truth.start]) == sorted(truth.rules), truth
    assert rings[0].at <= 45.0


def hazard_of(ring: Ring, truths: list[Truth]) -> Truth | None:
    return next(
        (
            truth
            for truth in truths
            if truth.device == ring.device
            and truth.start <= ring.at
            and (truth.end is None or ring.at <= truth.end)
        ),
        None,
    )


def test_twenty_minutes_of_the_plant() -> None:
    check_rings_on_hazards_alone(seed=0, devices=30, seconds=1200)


def test_a_single_machine_has_its_hazards_too() -> None:
    check_rings_on_hazards_alone(seed=1, devices=1, seconds=3600)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 106))
def test_four_hours_of_the_plant(seed: int) -> None:
    check_rings_on_hazards_alone(seed, devices=30, seconds=4 * 3600)
