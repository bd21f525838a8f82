"""What devices send, good and bad: what counts, what is refused, and how much is remembered."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from tests.ingest.scripts import START, Events, feed, finish, message, new_pipeline
from tocsin.devices.message import Message
from tocsin.devices.profile import Profile
from tocsin.ingest import snapshot
from tocsin.ingest.facts import Refused, RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Caps, Settings
from tocsin.ingest.views import DeviceView


def sent(*payloads: object, pipeline: Pipeline | None = None, gap_s: float = 1.0) -> DeviceView:
    """Device `d` after it sent these, one in each batch."""
    pipeline = pipeline or new_pipeline()
    for index, payload in enumerate(payloads):
        pipeline.feed([message("d", payload)], START + index * gap_s)
    device = pipeline.device("d")
    assert device is not None
    return device


def values(device: DeviceView) -> dict[str, object]:
    return {name: metric.value for name, metric in device.metrics.items()}


BAD = {
    "empty": (b"", "the payload is empty"),
    "not JSON": (b"temp=21", "not JSON"),
    "cut off": (b'{"t": 1', "not JSON"),
    "not UTF-8": (b'{"t\xff": 1}', "not JSON"),
    "NaN": (b'{"t": NaN}', "not JSON"),
    "1e999": (b'{"t": 1e999}', "not JSON"),
    "nested 10,000 deep": (b"[" * 10_000 + b"]" * 10_000, "nested deeper than 16 levels"),
    "nested 100 deep": (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper than 16 levels"),
    "300 KiB of text": (b'{"t": "' + b"x" * 300 * 1024 + b'"}', "expected at most 256"),
    "nothing in it": (b"{}", "no metrics in it"),
    "a bad time": (b'{"ts": -5, "t": 1}', "ts -5"),
    "a time far out": (b'{"ts": 1e18, "t": 1}', "ts 1e+18"),
    "no such place": (b'{"lat": 91, "lon": 0, "t": 1}', "lat is 91"),
    "a name too long": (json.dumps({"n" * 200: 1}).encode(), "expected 1 to 128"),
}


@pytest.mark.parametrize("before", [[], [{"t": 1.0}, {"t": 2.0}]], ids=["first", "after good ones"])
@pytest.mark.parametrize(("payload", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_payload_is_counted_and_the_last_one_kept(
    payload: bytes, reason: str, before: list[object]
) -> None:
    # The shapes of the bad ones are known to the fast lane already.
    known = [{"ts": START, "t": 1}, {"lat": 1, "lon": 2, "t": 1}] if before else []
    device = sent(*before, *known, payload)
    assert (device.rejected_total, device.messages_total) == (1, len(before) + len(known) + 1)
    positions = 2 * bool(known)
    assert device.readings_total == len(before) + len(known) + positions
    assert device.last_rejected is not None
    assert reason in device.last_rejected.reason
    assert len(device.last_rejected.payload_preview.encode()) <= 3 * 4096


def test_a_message_refused_unread_counts_at_the_device_it_is_of() -> None:
    pipeline = new_pipeline()
    of_device = message("d", b"x" * 5_000, "gateway")
    strangers = [Message("c", topic, b"x") for topic in (f"devices/{200 * 'a'}/t", "elsewhere")]
    command = Message("c", "devices/d/commands/open", b"x")
    refused = [
        Refused(each, "packet has 300000 bytes") for each in (of_device, *strangers, command)
    ]
    outcome = pipeline.feed(refused, START)
    device = pipeline.device("d")
    assert device is not None
    assert (device.messages_total, device.rejected_total, device.readings_total) == (1, 1, 0)
    assert device.last_rejected is not None
    assert device.last_rejected.reason == "packet has 300000 bytes"
    assert len(device.last_rejected.payload_preview) == 4096
    assert outcome.new_devices == ["d"]
    totals = pipeline.stats()
    assert (totals.messages_total, totals.rejected_total) == (4, 2)
    assert (totals.strangers_total, totals.unclaimed_total) == (1, 1)


def test_a_bad_message_costs_its_neighbours_nothing() -> None:
    pipeline, events = new_pipeline(), Events()
    batch = [message(d, p) for d, p in [("a", {"t": 1}), ("b", b"{"), ("a", {"t": 2})]]
    feed(pipeline, batch * 2, START, events)
    finish(pipeline, START, events)
    assert [(each.device, each.value) for each in events.readings] == [
        ("a", 1),
        ("a", 2),
    ] * 2


def test_values_keep_their_kind() -> None:
    device = sent({"n": 1, "b": True, "s": "on", "deep": {"x": [1.5, 2]}})
    assert values(device) == {"n": 1.0, "b": True, "s": "on", "deep.x.0": 1.5, "deep.x.1": 2.0}
    assert [metric.kind for metric in device.metrics.values()][:3] == ["number", "boolean", "text"]


@pytest.mark.parametrize(
    ("first", "then", "kept", "rejected"),
    [
        ("ERR", 21.5, 21.5, 0),
        (True, 0.5, 0.5, 0),
        (21.5, "ERR", 21.5, 1),
        (21.5, True, 1.0, 0),
        ("on", True, "on", 1),
        (True, "on", True, 1),
    ],
)
def test_a_number_is_stronger_than_what_was_before(
    first: object, then: object, kept: object, rejected: int
) -> None:
    device = sent({"t": first}, {"t": then})
    assert (values(device)["t"], device.rejected_total) == (kept, rejected)
    assert values(sent({"t": first}, {"t": then}, {"t": 7})) == {"t": 7.0}


def test_the_fast_lane_takes_no_number_for_a_text() -> None:
    pipeline = new_pipeline()
    device = sent({"s": "on"}, {"n": 1}, {"n": 2}, {"s": 5}, {"s": 6}, pipeline=pipeline)
    assert values(device) == {"s": 6.0, "n": 2.0}


def test_a_number_after_texts_begins_a_series_of_its_own() -> None:
    pipeline = new_pipeline()
    device = sent({"s": "ERR", "n": 1}, {"s": 5}, {"s": 6}, {"s": "ERR"}, pipeline=pipeline)
    assert (values(device), device.rejected_total) == ({"s": 6.0, "n": 1.0}, 1)
    catalogue = pipeline.catalogue
    assert [catalogue.name_of(series)[1] for series in range(3)] == ["s", "n", "s"]
    assert [catalogue.is_text(series) for series in range(3)] == [True, False, False]
    assert catalogue.count.values[:3].tolist() == [1, 1, 2]
    again = new_pipeline()
    pipeline.settle(START)
    again.restore(pipeline.snapshot())
    assert again.device("d") == device
    assert sent({"s": 7}, pipeline=again).metrics["s"].value == 7.0


def test_a_number_that_may_not_be_one_more_series_is_no_text_either() -> None:
    pipeline = capped(series=1)
    device = sent({"s": "ERR"}, {"s": 0}, {"s": 0}, pipeline=pipeline)
    assert (values(device), device.rejected_total) == ({"s": "ERR"}, 2)


def test_bare_values_and_metric_topics() -> None:
    pipeline, events = new_pipeline(), Events()
    topics = {"devices/d/temp_c": b"21.5", "devices/d/telemetry": b"7", "devices/d/door": b"true"}
    batch = [Message("c", topic, payload) for topic, payload in topics.items()]
    for round_number in range(3):
        feed(pipeline, batch, START + round_number, events)
    device = pipeline.device("d")
    assert device is not None
    assert values(device) == {"temp_c": 21.5, "value": 7.0, "door": True}
    assert device.readings_total == 9


def test_commands_are_no_telemetry_and_strangers_are_listed() -> None:
    pipeline = new_pipeline()
    pipeline.feed(
        [
            Message("op", "devices/d/commands/stop", b"{}"),
            Message("x", "some/where", b"1"),
            Message("x", "some/where", b"2"),
        ],
        START,
    )
    assert pipeline.devices() == []
    (topic,) = pipeline.refusals.topics()
    assert (topic.topic, topic.count, topic.last_at, topic.preview) == ("some/where", 2, START, "2")


def test_unclaimed_topics_are_bounded_the_least_recent_out() -> None:
    pipeline = new_pipeline(Settings(caps=replace(Caps(), unclaimed_topics=3)))
    for name in "abcad":
        pipeline.feed([Message("x", f"un/{name}", b"")], START)
    assert [topic.topic for topic in pipeline.refusals.topics()] == ["un/d", "un/a", "un/c"]
    assert pipeline.stats().unclaimed_total == 5


def test_position_is_the_newest_pair() -> None:
    near = {"lat": 1.0001, "lon": 2.0001, "t": 5}
    assert sent({"lat": 1, "lon": 2}, near, {"t": 6}).position == (1.0001, 2.0001)
    assert sent({"lat": 1, "t": 5}).position is None


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e6])
def test_times_in_seconds_milliseconds_and_microseconds(unit: float) -> None:
    device = sent(*({"ts": (START + index) * unit, "t": index} for index in range(3)))
    assert device.metrics["t"].time == START + 2


def test_a_time_from_the_future_becomes_the_arrival() -> None:
    device = sent({"t": 1}, {"ts": START + 400, "t": 2, "p": 3})
    assert (device.future_total, device.metrics["p"].time) == (2, START + 1)


def test_without_a_time_a_reading_is_never_late() -> None:
    device = sent({"ts": START + 299, "t": 1}, {"t": 2}, {"ts": START + 9999, "t": 3})
    assert (device.late_total, device.metrics["t"].time, values(device)) == (
        0,
        START + 2,
        {"t": 3.0},
    )


def test_what_is_ahead_is_stored_as_stated_and_its_repetitions_are_told() -> None:
    pipeline, events = new_pipeline(), Events()
    ahead = [message("d", {"ts": START + lead, "t": lead}) for lead in (120, 130)]
    for at in (0, 1, 125, 200):
        feed(pipeline, ahead, START + at, events)
        finish(pipeline, START + at, events)
        again = new_pipeline()
        again.restore(pipeline.snapshot())
        pipeline = again
    assert [(time, late) for _, _, time, _, late, *_ in events.readings] == [
        (START + 120, False),
        (START + 130, False),
    ]
    device = pipeline.device("d")
    assert device is not None
    assert (device.duplicates_total, device.future_total) == (6, 0)


def test_what_is_late_is_stored_and_changes_nothing_else() -> None:
    pipeline, events = new_pipeline(), Events()
    for ts in (0, -60, -61):
        feed(pipeline, [message("d", {"ts": START + ts, "t": ts})], START, events)
    finish(pipeline, START, events)
    assert [each.late for each in events.readings] == [False, False, True]
    device = pipeline.device("d")
    assert device is not None
    assert (device.late_total, values(device)) == (1, {"t": 0.0})


def test_lateness_is_by_device_a_bad_clock_holds_back_only_itself() -> None:
    pipeline = new_pipeline()
    pipeline.feed(
        [message("good", {"ts": START, "t": 1}), message("bad", {"ts": 9, "t": 1})], START
    )
    pipeline.feed([message("good", {"t": 2}), message("bad", {"ts": 10, "t": 2})], START + 1)
    for device in pipeline.devices():
        assert (device.late_total, values(device)) == (0, {"t": 2.0})


def test_each_metric_has_its_own_newest_reading() -> None:
    device = sent({"ts": START, "t": 1}, {"ts": START - 5, "p": 2, "t": 0})
    assert values(device) == {"t": 1.0, "p": 2.0}


def test_repetitions_count_once() -> None:
    first = {"ts": START, "t": 1.0, "p": 2.0}
    device = sent(first, first, {"ts": START, "t": 1.0}, [first, first])
    assert (device.readings_total, device.duplicates_total) == (2, 7)


def test_of_two_values_at_one_time_the_later_arrival_wins() -> None:
    device = sent({"ts": START, "t": 1.0}, {"ts": START, "t": 2.0}, {"ts": START, "t": 1.0})
    assert (values(device), device.readings_total, device.duplicates_total) == ({"t": 2.0}, 2, 1)


def test_without_a_time_repetitions_cannot_be_told_apart() -> None:
    assert sent({"t": 1.0}, {"t": 1.0}, gap_s=0.0).duplicates_total == 0


@pytest.mark.parametrize("batch", [1, 7, 600])
def test_all_repetitions_within_the_lateness_are_found(batch: int) -> None:
    pipeline = new_pipeline()
    rows = [{"ts": START + index / 10, "t": index % 3} for index in range(600)]  # 10 a second
    messages = [message("d", row) for row in [*rows, *rows]]
    for start in range(0, len(messages), batch):
        pipeline.feed(messages[start : start + batch], START + 3600.0)
    stats = pipeline.stats()
    assert (stats.readings_total, stats.duplicates_total) == (600, 600)


def test_memory_for_repetitions_is_bounded() -> None:
    pipeline = new_pipeline(Settings(caps=replace(Caps(), recent_bytes=64 * 16 * 16)))
    for index in range(300):
        batch = [message(f"d{d}", {"ts": START + index / 100, "t": index}) for d in range(50)]
        pipeline.feed(batch, START + 100)
    pipeline.settle(START + 100)
    kept = snapshot.decode(pipeline.snapshot())["plausibility"]
    assert sum(time.nbytes + value.nbytes for _, _, time, value in kept) <= 64 * 16 * 16


def capped(**caps: int) -> Pipeline:
    return new_pipeline(Settings(caps=replace(Caps(), **caps)))


def test_devices_beyond_the_cap_are_refused() -> None:
    pipeline = capped(devices=2)
    pipeline.feed([message(name, {"t": 1}) for name in "abcad"], START)
    assert [device.id for device in pipeline.devices()] == ["a", "b"]
    assert pipeline.stats().strangers_total == 2
    assert pipeline.refusals.last_stranger is not None
    assert pipeline.refusals.last_stranger.reason == "device 'd' is one too many; the cap is 2"


def test_metrics_beyond_the_cap_are_refused_and_the_others_taken() -> None:
    device = sent({"a": 1, "b": 2, "c": 3}, {"c": 4, "a": 5}, pipeline=capped(metrics_per_device=2))
    assert (values(device), device.rejected_total) == ({"a": 5.0, "b": 2.0}, 2)
    assert device.last_rejected is not None
    assert "a device may have 2" in device.last_rejected.reason


def test_series_beyond_the_cap_are_refused() -> None:
    pipeline = capped(series=2)
    pipeline.feed([message(name, {"t": 1}) for name in "abc"], START)
    assert [device.rejected_total for device in pipeline.devices()] == [0, 0, 1]


def test_texts_beyond_the_cap_are_refused() -> None:
    device = sent(*({"s": text} for text in "abcab"), pipeline=capped(strings_per_series=2))
    assert (values(device), device.rejected_total) == ({"s": "b"}, 1)


def test_random_metric_names_keep_memory_flat() -> None:
    pipeline = capped(metrics_per_device=16, shapes=64)
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for thousand in range(6):
            for index in range(thousand * 1000, thousand * 1000 + 1000, 100):
                batch: list[Message] = []
                for each in range(index, index + 100):
                    batch.append(message("d", {f"m{each * 3 + part}": 1 for part in range(3)}))
                    batch.append(message("d", {"m0": 1}))
                pipeline.feed(batch, START + index)
            pipeline.settle(START + 1000 * thousand + 1000)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert pipeline.stats().series == 16
    assert max(sizes[1:]) - sizes[1] < 100_000, sizes


DAMAGED = {
    "nothing": b"",
    "half a map": b"\x80",
    "not msgpack": b"\xc1",
    "cut off": snapshot.encode({})[:-1],
    "of another format": b"\x81\xa6format\x00",
    "without its parts": snapshot.encode({}),
    "of a part only": snapshot.encode(
        {"messages_total": 7, "catalogue": snapshot.decode(new_pipeline().snapshot())["catalogue"]}
    ),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_snapshot_is_refused_and_leaves_nothing_behind(content: bytes) -> None:
    pipeline = new_pipeline()
    pipeline.feed([message("d", {"t": 1})], START)
    pipeline.settle(START)
    with pytest.raises(ValueError, match="snapshot"):
        pipeline.restore(content)
    assert pipeline.snapshot() == new_pipeline().snapshot()


def test_what_is_frozen_is_of_its_instant_whenever_it_is_written() -> None:
    rule = Rule(name="mean", when="avg(t, '1m') > 5 and delta(t, '1m') > 1")
    pipeline = new_pipeline()
    pipeline.feed([RulePut(rule, "test")], START)

    def hear(first: int) -> None:
        for n in range(first, first + 40):
            at = START + n
            pipeline.feed([message(f"d{n % 3}", {"ts": at, "t": n % 9, "on": n % 2 > 0})], at)
        pipeline.settle(START + first + 40)

    hear(0)
    expected, frozen = pipeline.snapshot(), pipeline.freeze()
    hear(40)
    assert pipeline.snapshot() != expected
    assert b"".join(frozen.parts()) == expected


def test_a_snapshot_takes_the_profiles_of_today() -> None:
    before = new_pipeline()
    before.feed([message("d", {"ts": START - index, "t": index}) for index in range(3)], START)
    after = new_pipeline(
        Settings(profiles=(Profile(expected_interval_s=5.0, allowed_lateness_s=1.0),))
    )
    before.settle(START)
    after.restore(before.snapshot())
    after.feed([message("d", {"ts": START - 2.5, "t": 9})], START)
    after.feed([], START + 15.0)
    device = after.device("d")
    assert device is not None
    assert (device.late_total, device.freshness) == (1, "stale")


@pytest.mark.parametrize("others", [1, 62, 63, 64, 127, 128, 200])
def test_new_devices_are_taken_in_while_rows_of_others_wait(others: int) -> None:
    """As many devices as there is room for in the arrays, one more, and one less."""
    pipeline, events = new_pipeline(), Events()
    feed(pipeline, [RulePut(Rule(name="hot", when="t > 80"), "ann")], START, events)
    for at in range(3):  # a calm device, whose rows are put off
        feed(pipeline, [message("calm", {"t": 20 + at})], START + at, events)
    names = [f"d{number}" for number in range(others)]
    feed(pipeline, [message(name, {"t": 90}) for name in names], START + 3, events)
    finish(pipeline, START + 4, events)
    assert [alert.subject for alert in events.alerts] == names
    assert len(events.readings) == 3 + others
    assert pipeline.faults.total == 0
