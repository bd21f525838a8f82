"""Numbered events: what a viewer that comes back is told again."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.dashboard.stream.events import EventLog, write_event


def log_of(count: int, size: int = 10) -> EventLog:
    log = EventLog("a1", size)
    for number in range(1, count + 1):
        log.add(b"event: alert\ndata: %d\n\n" % number)
    return log


@given(st.integers(0, 40), st.integers(0, 45), st.integers(1, 12))
def test_since_gives_exactly_what_was_missed_or_nothing(count: int, last: int, size: int):
    missed = log_of(count, size).since(f"a1.{last}")
    if last > count or count - last > size:
        assert missed is None
    else:
        assert missed == [
            b"id: a1.%d\nevent: alert\ndata: %d\n\n" % (n, n) for n in range(last + 1, count + 1)
        ]


def test_ids_that_are_not_ours_start_afresh():
    log = log_of(3)
    for wrong in (None, "", "a1", "a1.", "b2.2", "a1.-1", "a1.x", "a1.²", "a1." + "9" * 30, "2"):
        assert log.since(wrong) is None, wrong


def test_an_event_is_one_line_of_json():
    written = write_event("alert", {"message": "a\nb\r\nc — 95 °C"})
    assert written.count(b"\n") == 3
    assert written.startswith(b'event: alert\ndata: {"message":"a\\nb\\r\\nc')
