"""The laws of the pipeline, over scripts of messages, facts, rules and time."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ingest.scripts import (
    Events,
    Step,
    begins_anew,
    feed,
    finish,
    new_pipeline,
    settle,
    steps,
)
from tocsin.devices.message import Message
from tocsin.ingest.facts import Refused, RulePut
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

GAPS_S = (0.0, 0.5, 1.0, 2.0, 7.0, 40.0, 300.0)
SECONDS = steps(GAPS_S)

# Everything that takes seconds takes tenths of a second here, so that a script is short enough
# to tick every millisecond.
HASTY = Settings(
    settles_s=0.3, default_interval_s=0.2, min_interval_s=0.1, future_tolerance_s=1000.0
)
TENTHS = steps((0.0, 0.01, 0.1, 0.3, 0.7), delays=("0s", "0.1s", "0.5s"), count=8)


@given(SECONDS)
@settings(max_examples=40)
def test_ticking_every_second_changes_nothing(script: list[Step]) -> None:
    played, without = settle(script, new_pipeline())
    ticked, events, now = new_pipeline(), Events(), played[0][0]
    for at, records in played:
        while now + 1.0 < at and not begins_anew(records):
            now += 1.0
            feed(ticked, [], now, events)
        now = at
        feed(ticked, records, at, events)
    finish(ticked, played[-1][0], events)
    assert events == without


@given(TENTHS)
@settings(max_examples=20)
def test_ticking_every_millisecond_changes_nothing(script: list[Step]) -> None:
    played, without = settle(script, new_pipeline(HASTY))
    ticked, events, now = new_pipeline(HASTY), Events(), played[0][0]
    for at, records in played:
        while now + 0.001 < at and not begins_anew(records):
            now += 0.001
            feed(ticked, [], now, events)
        now = at
        feed(ticked, records, at, events)
    finish(ticked, played[-1][0], events)
    assert events == without


@given(SECONDS)
@settings(max_examples=40)
def test_waking_at_next_due_is_enough(script: list[Step]) -> None:
    played, without = settle(script, new_pipeline())
    woken, events = new_pipeline(), Events()
    for at, records in played:
        while (due := woken.next_due()) is not None and due < at and not begins_anew(records):
            feed(woken, [], due, events)
        feed(woken, records, at, events)
    finish(woken, played[-1][0], events)
    assert events == without


@given(SECONDS, st.data())
@settings(max_examples=40)
def test_snapshot_anywhere_and_replay_is_as_if_nothing_had_happened(
    script: list[Step], data: st.DataObject
) -> None:
    original = new_pipeline()
    played, without = settle(script, original)
    cut = data.draw(st.integers(0, len(played)), label="steps before the snapshot")
    stopped, events = new_pipeline(), Events()
    at = 0.0
    for at, records in played[:cut]:
        feed(stopped, records, at, events)
    finish(stopped, at, events)
    resumed = new_pipeline()
    resumed.restore(stopped.snapshot())
    for at, records in played[cut:]:
        feed(resumed, records, at, events)
    finish(resumed, played[-1][0], events)
    assert events == without
    assert resumed.devices() == original.devices()
    assert resumed.stats() == original.stats()
    assert resumed.snapshot() == original.snapshot()


def said(client: str, device: str, t: float) -> Message:
    return Message(client, f"devices/{device}/telemetry", b'{"t": %g}' % t)


ANOTHER_GATEWAY: list[Step] = [
    (
        0.0,
        [
            RulePut(Rule(name="hot", when="t > 50", devices="gw"), "ann"),
            RulePut(Rule(name="one", when="t > 50", inhibited_by=("hot",)), "ann"),
            said("gw", "gw", 0.0),
            said("gw", "c", 0.0),
            said("gw", "gw", 51.0),
        ],
    ),
    (2.0, [said("gw", "c", 51.0), said("other", "c", 0.0)]),
]
"""A gateway that mutes what comes through it, and a device that changes it within a batch."""


@given(SECONDS)
@example(ANOTHER_GATEWAY)
@settings(max_examples=40)
def test_a_batch_is_judged_as_its_messages_one_by_one(script: list[Step]) -> None:
    original = new_pipeline()
    played, together = settle(script, original)
    apart, events = new_pipeline(), Events()
    for at, records in played:
        for record in records:
            feed(apart, [record], at, events)
    finish(apart, played[-1][0], events)
    assert events.alerts == together.alerts
    assert events.readings == together.readings
    assert apart.devices() == original.devices()


@given(SECONDS, st.sets(st.integers(0, 20)))
@settings(max_examples=40)
def test_telling_what_waits_more_often_changes_nothing(script: list[Step], looks: set[int]) -> None:
    original = new_pipeline()
    played, without = settle(script, original)
    watched, events = new_pipeline(), Events()
    for step, (at, records) in enumerate(played):
        feed(watched, records, at, events)
        if step in looks:
            finish(watched, at, events)
        elif step + 1 in looks:
            watched.devices()
    finish(watched, played[-1][0], events)
    assert events == without
    assert watched.devices() == original.devices()
    assert watched.snapshot() == original.snapshot()


@given(SECONDS)
@settings(max_examples=40)
def test_every_message_is_counted_once(script: list[Step]) -> None:
    pipeline = new_pipeline()
    played, events = settle(script, pipeline)
    sent = [r for _, records in played for r in records if isinstance(r, Message | Refused)]
    devices = pipeline.devices()
    assert sum(device.messages_total for device in devices) == len(sent)
    assert pipeline.stats().messages_total == len(sent)
    assert sum(device.readings_total for device in devices) == len(events.readings)
    assert sum(device.late_total for device in devices) == sum(
        each.late for each in events.readings
    )
