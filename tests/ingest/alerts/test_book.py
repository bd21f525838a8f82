import pytest

from tests.ingest.alerts.test_lifecycle import command
from tocsin.ingest.alerts.alert import Alert, Cause, Comment, State, Suppression, alert_id
from tocsin.ingest.alerts.book import (
    MAX_COMMENTS,
    MAX_NOTE,
    RECENT,
    AlertBook,
)
from tocsin.ingest.alerts.mutes import DEFAULT_SHELVE_S, MAX_SHELVE_S
from tocsin.ingest.rules.message import Value
from tocsin.ingest.rules.rule import Rule, Severity

HOT = Rule(
    name="hot",
    when="temp_c > 80",
    severity=Severity.CRITICAL,
    message="{device} at {temp_c:.0f} °C, {state}",
)


def ring(book: AlertBook, rule: Rule = HOT, subject: str = "b-1", at: float = 10.0) -> Alert:
    values = {"state": "on", "temp_c": 95.4}
    (alert,) = book.signal(rule, subject, subject, True, at - 1.0, at, values)
    return alert


def calm(book: AlertBook, rule: Rule = HOT, subject: str = "b-1", at: float = 20.0) -> list[Alert]:
    return book.signal(rule, subject, subject, False, at - 1.0, at, {})


def test_an_alert_says_what_happened_when_and_who_saw_it() -> None:
    book = AlertBook()
    rung = ring(book)
    assert rung == Alert(
        id=alert_id("hot", "b-1", 9.0),
        rule="hot",
        subject="b-1",
        device="b-1",
        severity="critical",
        state=State.ACTIVE,
        active=True,
        acknowledged=False,
        value=95.4,
        message="b-1 at 95 °C, on",
        began_at=9.0,
        raised_at=10.0,
        revision=1,
        rings=1,
        sounded=True,
        cause=Cause(10.0, "tocsin", "holds"),
    )
    (over,) = calm(book)
    (seen,) = command(book, rung.id, "ack", 30.0, note="valve closed")
    assert (over.state, over.cleared_at) == (State.CLEARED_UNACKNOWLEDGED, 20.0)
    assert (seen.state, seen.cleared_at, seen.raised_at) == (State.CLEARED, 20.0, 10.0)
    assert (seen.acknowledged_by, seen.acknowledged_at, seen.revision) == ("eva", 30.0, 3)
    assert seen.comments == (Comment(30.0, "eva", "ack", "valve closed"),)
    assert (book.open(), book.recent(), book.get(rung.id)) == ([], [seen], seen)


def test_telling_it_again_changes_nothing() -> None:
    book = AlertBook()
    ring(book)
    before = book.snapshot()
    assert book.signal(HOT, "b-1", "b-1", True, 11.0, 12.0, {"temp_c": 99.0}) == []
    assert calm(book, subject="other") == []
    assert book.snapshot() == before


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ({"door_open": True}, True),
        ({"pump_on": False, "temp_c": 95.0}, 95.0),
        ({"state": "on"}, None),
    ],
)
def test_the_value_is_the_first_number_or_else_the_first_boolean(
    values: dict[str, Value], value: object
) -> None:
    (alert,) = AlertBook().signal(HOT, "b-1", "b-1", True, 9.0, 10.0, values)
    assert alert.value is value or alert.value == value


def test_an_alert_that_comes_back_shows_the_new_values_under_its_id() -> None:
    book = AlertBook()
    first = ring(book)
    calm(book)
    (again,) = book.signal(HOT, "b-1", "b-1", True, 29.0, 30.0, {"temp_c": 85.0})
    assert (again.id, again.value, again.message) == (first.id, 85.0, "b-1 at 85 °C, ?")
    assert (again.began_at, again.raised_at, again.cleared_at) == (9.0, 30.0, None)


def test_episodes_that_begin_at_one_event_time_have_different_ids() -> None:
    book = AlertBook()
    ids = set[str]()
    for round_ in range(5):
        ids.add(ring(book).id)
        if round_ == 2:
            data, book = book.snapshot(), AlertBook()
            book.restore(data)
        book.retire("hot", 10.0)
    assert len(ids) == 5


def test_a_retired_alert_says_why() -> None:
    book = AlertBook()
    ring(book)
    other = ring(book, Rule(name="other", when="t > 1"))
    (ended,) = book.retire("hot", 15.0, "rule deleted")
    assert (ended.state, ended.active, ended.cleared_at) == (State.CLEARED, False, 15.0)
    assert ended.comments == (Comment(15.0, "tocsin", "retire", "rule deleted"),)
    assert book.open() == [other]
    assert book.retire("hot", 16.0) == []


def test_alerts_that_never_rang_leave_nothing_behind() -> None:
    book = AlertBook()
    slow = Rule(name="slow", when="t > 1", on_delay="5s")
    pending = ring(book, slow)
    (gone,) = calm(book, slow, at=12.0)
    assert (gone.id, gone.state, gone.raised_at) == (pending.id, State.CLEARED, None)
    assert (book.recent(), book.get(pending.id), book.next_due()) == ([], None, None)


def test_only_the_newest_of_those_that_are_over_are_kept() -> None:
    book = AlertBook()
    ids = list[str]()
    for at in range(RECENT + 5):
        ids.append(ring(book, at=float(at)).id)
        book.retire("hot", float(at))
    assert [alert.id for alert in book.recent()] == ids[:4:-1]
    with pytest.raises(KeyError, match="is neither open nor recent"):
        command(book, ids[0], "comment", 1e6, note="too late")


def test_comments_are_kept_also_when_it_is_over() -> None:
    book = AlertBook()
    alert = ring(book)
    command(book, alert.id, "comment", 11.0, note="on my way")
    book.retire("hot", 12.0)
    (after,) = command(book, alert.id, "comment", 13.0, note="it was the fan")
    assert [comment.note for comment in after.comments] == [
        "on my way",
        "rule changed",
        "it was the fan",
    ]
    assert (after.state, after.revision, book.recent()) == (State.CLEARED, 4, [after])
    with pytest.raises(ValueError, match=f"shelve needs an open alert; {alert.id} is cleared"):
        command(book, alert.id, "shelve", 14.0)


def test_comments_are_bounded() -> None:
    book = AlertBook()
    alert = ring(book)
    with pytest.raises(ValueError, match="note has 1001 characters; expected at most 1000"):
        command(book, alert.id, "ack", 11.0, note="x" * (MAX_NOTE + 1))
    with pytest.raises(ValueError, match="note is empty; comment needs one"):
        command(book, alert.id, "comment", 11.0, note=" ")
    for n in range(MAX_COMMENTS + 1):
        command(book, alert.id, "comment", 11.0, note=f"note {n}")
    (acked,) = command(book, alert.id, "ack", 12.0)
    assert len(acked.comments) == MAX_COMMENTS
    assert (acked.comments[0].note, acked.comments[-1].action) == ("note 2", "ack")


@pytest.mark.parametrize("until", [10.0, 5.0, 10.5 + MAX_SHELVE_S, float("nan"), float("inf")])
def test_shelving_is_bounded(until: float) -> None:
    book = AlertBook()
    alert = ring(book)
    with pytest.raises(ValueError, match="expected a time ahead, at most 604800 s"):
        command(book, alert.id, "shelve", 10.0, until)
    (shelved,) = command(book, alert.id, "shelve", 10.0)
    assert (shelved.suppression, shelved.shelved_until) == (
        Suppression.SHELVED,
        10.0 + DEFAULT_SHELVE_S,
    )


def test_shelving_that_ends_without_an_open_alert_says_nothing() -> None:
    book = AlertBook()
    alert = ring(book)
    command(book, alert.id, "shelve", 11.0, 15.0)
    command(book, alert.id, "ack", 12.0)
    calm(book, at=13.0)
    assert book.fire_next() == (15.0, [])
    assert ring(book, at=16.0).suppression is Suppression.NONE


def test_timers_fire_in_due_order_and_of_one_time_in_the_order_begun() -> None:
    book = AlertBook()
    for name, delay in {"c": "3s", "a": "2s", "b": "2s"}.items():
        ring(book, Rule(name=name, when="t > 1", on_delay=delay))
    fired = [book.fire_next() for _ in range(3)]
    assert [(due, alert.rule) for due, (alert,) in fired] == [(12.0, "a"), (12.0, "b"), (13.0, "c")]
    with pytest.raises(IndexError):
        book.fire_next()


def test_a_stretch_that_comes_and_goes_does_not_pile_up_timers() -> None:
    book = AlertBook()
    slow = Rule(name="slow", when="t > 1", on_delay="1h")
    keeper = ring(book, Rule(name="keeper", when="t > 1", on_delay="30m"))
    for n in range(2000):
        ring(book, slow, at=20.0 + n)
        calm(book, slow, at=20.5 + n)
    assert book.next_due() == 1810.0
    assert len(book.snapshot()) < 2000
    assert book.fire_next()[1][0].id == keeper.id


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x81\xa6format\x63", "format 99; expected 1"),
        (b"", "truncated"),
        (b"\x81\xa6format\x01", "missing required field"),
    ],
)
def test_only_a_snapshot_of_this_format_is_restored(data: bytes, reason: str) -> None:
    book = AlertBook()
    ring(book)
    before = book.snapshot()
    with pytest.raises(ValueError, match=reason):
        book.restore(data)
    assert book.snapshot() == before
