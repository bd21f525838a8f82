"""What functions made of readings: judged like readings, heard of like nothing a device said."""

import json

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.facts import Derived, DerivedRow, Record, RulePut
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

NOW = 1_700_000_000.0


def said(**metrics: object) -> Message:
    return Message("c", "devices/d/telemetry", json.dumps(metrics).encode())


def made(time: float = NOW, device: str = "d", **metrics: float | bool | str) -> Derived:
    return Derived("power", [DerivedRow(device, time, metrics)])


def pipeline(*records: Record) -> Pipeline:
    fresh = Pipeline(Settings(), Decoder())
    fresh.feed(records, NOW)
    return fresh


def newest(of: Pipeline, metric: str) -> object:
    view = of.device("d")
    assert view is not None
    return view.metrics[metric].value


def feed(of: Pipeline, record: Record, after_s: float) -> Outcome:
    return of.feed([record], NOW + after_s)


def test_a_rule_rings_for_a_derived_metric_at_the_event_time_of_its_reading():
    of = pipeline(RulePut(Rule(name="much", when="power_kw > 5"), "ada"), said(volts=230))
    outcome = feed(of, made(power_kw=6.0), 3.0)
    [alert] = outcome.alerts
    assert (alert.rule, alert.subject, alert.began_at) == ("much", "d", NOW)
    assert outcome.problems == []


def test_what_a_device_sends_itself_no_function_takes_away():
    of = pipeline(RulePut(Rule(name="hot", when="temp_c > 80"), "ada"), said(temp_c=95))
    [alert] = of.alerts.open()
    outcome = feed(of, made(NOW + 1, temp_c=20.0), 1.0)
    assert outcome.problems == ["d/temp_c is sent by the device itself; expected another name"]
    assert of.alerts.get(alert.id) == alert
    assert newest(of, "temp_c") == 95.0


def test_a_metric_is_the_devices_from_its_first_message_with_it_on():
    of = pipeline(said(volts=230))
    feed(of, made(power_kw=1.0), 1.0)
    feed(of, said(volts=230, power_kw=7), 2.0)
    outcome = feed(of, made(NOW + 2, power_kw=2.0), 3.0)
    assert len(outcome.problems) == 1
    assert newest(of, "power_kw") == 7.0
    again = Pipeline(Settings(), Decoder())
    of.settle(NOW + 3)
    again.restore(of.snapshot())
    assert len(feed(again, made(NOW + 3, power_kw=2.0), 4.0).problems) == 1


def test_a_snapshot_knows_what_is_derived():
    of = pipeline(said(volts=230))
    feed(of, made(power_kw=1.0, state="low"), 1.0)
    of.settle(NOW + 1)
    again = Pipeline(Settings(), Decoder())
    again.restore(of.snapshot())
    for each in (of, again):
        assert feed(each, made(NOW + 1, power_kw=2.0, state="high"), 2.0).problems == []
        assert (newest(each, "power_kw"), newest(each, "state")) == (2.0, "high")


def test_no_device_is_heard_of_by_what_a_function_made():
    of = pipeline(said(volts=230))
    seen = of.device("d")
    assert seen is not None
    feed(of, made(power_kw=1.0), 30.0)
    after = of.device("d")
    assert after is not None
    assert after.last_seen == seen.last_seen
    assert after.messages_total == seen.messages_total == 1
    assert "unknown" not in [device.id for device in of.devices()]


def test_rubbish_is_refused_with_its_reason():
    of = pipeline(said(volts=230, mode="on"))
    values: dict[str, float | bool | str] = {"": 1.0, "x" * 129: 1.0, "a": float("nan"), "lat": 1.0}
    rubbish = Derived("power", [DerivedRow("d", NOW, values)])
    outcome = feed(of, rubbish, 1.0)
    outcome.problems += feed(of, made(device="never", x=1.0), 1.0).problems
    outcome.problems += feed(of, made(time=float("inf"), x=1.0), 1.0).problems
    assert outcome.problems == [
        "metric name '' has 0 characters; expected 1 to 128",
        f"metric name {'x' * 40!r} has 129 characters; expected 1 to 128",
        "metric 'a' is nan; expected a finite number",
        "metric 'lat' is no metric; expected another name",
        "device 'never' is not known at time 1700000000.0",
        "device 'd' is not known at time inf",
    ]
    assert of.faults.total == 0
