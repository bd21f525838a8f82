"""Presence on both axes.

reports      |     |     |     |
expected     20 s each
freshness    fresh ~~~~~~~~~~~~~~~~~~~~~|stale ~~~~~~~~~~~~~~~~~~~~|silent
                              3 × 20 s after the last     10 × 20 s after it
"""

from collections.abc import Sequence

import pytest

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.devices.profile import Profile
from tocsin.ingest.facts import Connected, Disconnected, Record, Started
from tocsin.ingest.outcome import Presence
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.presence import CONNECTIONS, FRESHNESSES, Cause, Connection, Freshness
from tocsin.ingest.settings import Settings

Happening = tuple[float, Record]
Seen = tuple[float, str, str]


def on(client: str) -> Connected:
    return Connected(client, None, "127.0.0.1:50000")


def report(client: str = "d", device: str = "d") -> Record:
    return message(device, {"t": 1.0}, client)


def play(
    happenings: Sequence[Happening], until: float, pipeline: Pipeline | None = None
) -> list[Seen]:
    """What presence told: (seconds from START, connection, freshness), woken at each due time."""
    pipeline = pipeline or new_pipeline()
    seen: list[Seen] = []

    def note(at: float, changes: list[Presence]) -> None:
        seen.extend((round(at, 3), c.connection, c.freshness) for c in changes)

    def wake(before: float) -> None:
        while (due := pipeline.next_due()) is not None and due - START < before:
            note(due - START, pipeline.feed([], due).presence)

    for at, record in happenings:
        wake(at)
        note(at, pipeline.feed([record], START + at).presence)
    wake(until)
    return seen


def test_a_lone_publisher_stays_unknown() -> None:
    lone = [(0.0, on("pub")), (0.1, report("pub")), (0.2, Disconnected("pub", "clean"))]
    assert play(lone, 10.0) == [(0.1, "unknown", "fresh")]


def test_a_second_message_makes_the_connection_count() -> None:
    seen = play([(0.0, on("d")), (0.1, report()), (0.2, report())], 10.0)
    assert seen == [(0.1, "unknown", "fresh"), (0.2, "online", "fresh")]


def test_three_seconds_make_the_connection_count() -> None:
    seen = play([(0.0, on("d")), (1.0, report())], 10.0)
    assert seen == [(1.0, "unknown", "fresh"), (3.0, "online", "fresh")]


def test_a_message_on_an_old_connection_counts_at_once() -> None:
    seen = play([(0.0, on("d")), (60.0, report())], 61.0)
    assert seen == [(60.0, "online", "never"), (60.0, "online", "fresh")]


def test_the_end_of_a_connection_that_counted_is_offline_with_its_reason() -> None:
    pipeline = new_pipeline()
    gone = [(0.0, on("d")), (0.0, report()), (0.0, report()), (1.0, Disconnected("d", "keepalive"))]
    assert play(gone, 2.0, pipeline)[-1] == (1.0, "offline", "fresh")
    device = pipeline.device("d")
    assert device is not None
    assert (device.connection_reason, device.via) == ("keepalive", "d")
    assert play([(3.0, on("d")), (3.1, report()), (3.2, report())], 4.0, pipeline) == [
        (3.2, "online", "fresh")
    ]


def test_a_gateway_carries_its_devices_down_with_it() -> None:
    pipeline = new_pipeline()
    records: list[Record] = [on("gw"), *(report("gw", d) for d in "abc" for _ in range(2))]
    pipeline.feed(records, START)
    lost = pipeline.feed([Disconnected("gw", "connection lost")], START + 1).presence
    assert [(p.device, p.connection, p.connection_reason, p.via) for p in lost] == [
        (device, "offline", "connection lost", "gw") for device in "abc"
    ]


def test_a_device_follows_the_client_that_carried_it_last() -> None:
    pipeline = new_pipeline()
    pipeline.feed([on("x"), on("y"), *[report("x")] * 2, *[report("y")] * 2], START)
    assert pipeline.feed([Disconnected("x", "clean")], START + 1).presence == []
    (lost,) = pipeline.feed([Disconnected("y", "clean")], START + 2).presence
    assert (lost.connection, lost.via) == ("offline", "y")


def test_taking_over_ends_the_connection_before() -> None:
    seen = play([(0.0, on("d")), (0.0, report()), (0.0, report()), (1.0, on("d"))], 2.0)
    assert seen[-1] == (1.0, "offline", "fresh")


def test_silence_makes_stale_then_silent_each_at_its_time() -> None:
    assert play([(0.0, report()), (700.0, report())], 701.0) == [
        (0.0, "unknown", "fresh"),
        (60.0, "unknown", "stale"),
        (200.0, "unknown", "silent"),
        (700.0, "unknown", "fresh"),
    ]


@pytest.mark.parametrize("every_s", [1.0, 2.0, 15.0, 600.0])
def test_the_expected_interval_is_learned_from_two_gaps(every_s: float) -> None:
    reports = [(index * every_s, report()) for index in range(6)]
    last = reports[-1][0]
    assert play(reports, last + 11 * every_s)[-2:] == [
        (last + 3 * every_s, "unknown", "stale"),
        (last + 10 * every_s, "unknown", "silent"),
    ]


def test_metrics_published_one_by_one_are_one_report() -> None:
    bursts = [(start * 30.0 + part / 20, report()) for start in range(20) for part in range(4)]
    assert [freshness for _, _, freshness in play(bursts, 600.0)] == ["fresh"]


def test_an_outage_is_not_taken_for_a_new_habit() -> None:
    steady = [(float(second), report()) for second in range(60)]
    back = [(3660.0 + second, report()) for second in range(30)]
    seen = play([*steady, *back], 3689.0 + 5.0)
    assert seen[-1][2] == "stale"


def test_a_profile_says_what_to_expect() -> None:
    settings = Settings(profiles=(Profile(devices="d*", expected_interval_s=5.0),))
    reports = [(index * 12.0, report()) for index in range(4)]
    seen = play(reports, 100.0, new_pipeline(settings))
    assert seen == [
        (0.0, "unknown", "fresh"),
        (51.0, "unknown", "stale"),
        (86.0, "unknown", "silent"),
    ]


def test_nobody_was_late_while_the_server_was_away() -> None:
    pipeline = new_pipeline()
    before = [(0.0, on("d")), (0.0, report()), (1.0, report()), (2.0, report()), (3.0, report())]
    assert play(before, 3.5, pipeline)[-1] == (1.0, "online", "fresh")
    back = pipeline.feed([Started("1", START + 3.5)], START + 1000.0)
    assert [(p.connection, p.connection_reason, p.freshness) for p in back.presence] == [
        ("unknown", "server restarted", "fresh")
    ]
    assert play([], 1100.0, pipeline) == [
        (1003.0, "unknown", "stale"),
        (1010.0, "unknown", "silent"),
    ]


def test_a_device_that_only_sends_rubbish_is_never_heard() -> None:
    pipeline = new_pipeline()
    pipeline.feed([message("d", b"rubbish")], START)
    device = pipeline.device("d")
    assert device is not None
    assert (device.freshness, device.rejected_total) == ("never", 1)


def test_every_state_can_be_left_and_the_tables_name_only_what_happens() -> None:
    assert {before for before, _ in CONNECTIONS} == set(Connection)
    assert set(CONNECTIONS.values()) == set(Connection)
    assert {before for before, _ in FRESHNESSES} == set(Freshness)
    causes = {cause for table in (CONNECTIONS, FRESHNESSES) for _, cause in table}
    assert causes == set(Cause)
    assert all(before != after for (before, _), after in CONNECTIONS.items())
