"""Flapping, maintenance windows and inhibition: what the book does by itself."""

import pytest

from tests.ingest.alerts.test_lifecycle import command
from tocsin.ingest.alerts.alert import Alert, State, Suppression
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.alerts.maintenance import MAX_MAINTENANCE_S, MAX_WINDOWS, Maintenance
from tocsin.ingest.rules.rule import Rule

HOT = Rule(name="hot", when="t > 80", inhibited_by=("gateway-down",))
DOWN = Rule(name="gateway-down", when="up == false")
NONE, OUT, MUTE = Suppression.NONE, Suppression.OUT_OF_SERVICE, Suppression.SUPPRESSED


def turn(book: AlertBook, rule: Rule, subject: str, truth: bool, at: float) -> list[Alert]:
    return book.signal(rule, subject, subject, truth, at, at, {"t": 99.0})


def fire(book: AlertBook, now: float) -> list[Alert]:
    news: list[Alert] = []
    while (due := book.next_due()) is not None and due <= now:
        news += book.fire_next()[1]
    return news


def reborn(book: AlertBook, via: dict[str, str] | None = None) -> AlertBook:
    other = AlertBook(FlapLimits(3, 60.0, 20.0), (via or {}).get)
    other.restore(book.snapshot())
    assert other.snapshot() == book.snapshot()
    return other


def test_an_alarm_that_comes_and_goes_is_held() -> None:
    book = AlertBook(FlapLimits(rings=3, within_s=60.0, hold_s=20.0))
    for at in (0.0, 10.0):
        (rung,) = turn(book, HOT, "d", True, at)
        assert not rung.flapping
        turn(book, HOT, "d", False, at + 5.0)
    book = reborn(book)
    (rung,) = turn(book, HOT, "d", True, 20.0)
    assert (rung.flapping, rung.rings) == (True, 3)
    for at in range(25, 60, 10):  # it goes on flapping, and nobody hears of it
        assert turn(book, HOT, "d", False, float(at)) == []
        assert fire(book, at + 5.0) == []
        assert turn(book, HOT, "d", True, at + 5.0) == []
    assert turn(book, HOT, "d", False, 65.0) == []
    (over,) = fire(book, 85.0)
    assert (over.state, over.cleared_at) == (State.CLEARED_UNACKNOWLEDGED, 85.0)
    (again,) = turn(book, HOT, "d", True, 90.0)
    assert not again.flapping


def test_rings_far_apart_are_no_flapping_and_acknowledging_does_not_reset_the_count() -> None:
    book = AlertBook(FlapLimits(rings=3, within_s=60.0, hold_s=20.0))
    for at in (0.0, 61.0, 122.0):
        (rung,) = turn(book, HOT, "d", True, at)
        assert not rung.flapping
        turn(book, HOT, "d", False, at + 1.0)
        command(book, rung.id, "ack", at + 2.0)
    (rung,) = turn(book, HOT, "d", True, 126.0)
    turn(book, HOT, "d", False, 127.0)
    (rung,) = turn(book, HOT, "d", True, 128.0)
    assert rung.flapping


def test_a_rule_that_asks_something_else_does_not_flap_for_what_was_before() -> None:
    book = AlertBook(FlapLimits(rings=3, within_s=60.0, hold_s=20.0))
    for at in (0.0, 10.0):
        turn(book, HOT, "d", True, at)
        turn(book, HOT, "d", False, at + 1.0)
    book.retire("hot", 15.0)
    (rung,) = turn(book, HOT, "d", True, 20.0)
    assert not rung.flapping


def test_a_maintenance_window_takes_alarms_out_of_service_and_back() -> None:
    book = AlertBook()
    turn(book, HOT, "boiler-1", True, 1.0)
    turn(book, DOWN, "boiler-2", True, 1.0)
    turn(book, HOT, "pump-1", True, 1.0)
    plan = Maintenance("m1", "boiler-*", 10.0, 20.0, "eva", rules="h*", note="new burner")
    assert book.plan(plan, 5.0) == []
    book = reborn(book)
    assert book.maintenance() == [plan]
    (out,) = fire(book, 10.0)
    assert (out.subject, out.suppression, out.suppressed_by) == ("boiler-1", OUT, "maintenance m1")
    (late,) = turn(book, HOT, "boiler-7", True, 15.0)
    assert (late.suppression, late.sounded) == (OUT, False)
    book = reborn(book)
    back = fire(book, 20.0)
    assert [(a.subject, a.suppression, a.sounded) for a in back] == [
        ("boiler-1", NONE, True),
        ("boiler-7", NONE, True),
    ]
    assert (book.maintenance(), book.next_due()) == ([], None)


def test_a_window_is_cancelled_and_begins_at_once_where_its_start_is_past() -> None:
    book = AlertBook()
    turn(book, HOT, "d", True, 1.0)
    (out,) = book.plan(Maintenance("m1", "*", 0.0, 20.0, "eva"), 5.0)
    assert out.suppression is OUT
    (shelved,) = command(book, out.id, "shelve", 6.0, 30.0)
    assert shelved.suppression is OUT, "the stronger one shows"
    (back,) = book.cancel("m1", 7.0)
    assert (back.suppression, back.suppressed_by) == (Suppression.SHELVED, None)
    with pytest.raises(KeyError):
        book.cancel("m1", 8.0)
    assert book.next_due() == 30.0


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Maintenance("m", "*", 0.0, 4.0, "eva"), "expected a time ahead"),
        (Maintenance("m", "*", 9.0, 8.0, "eva"), "after start"),
        (Maintenance("m", "*", 0.0, 6.0 + MAX_MAINTENANCE_S, "eva"), "at most"),
        (Maintenance("m", "*", 0.0, float("nan"), "eva"), "expected a time ahead"),
        (Maintenance("m", "", 0.0, 9.0, "eva"), "no pattern of device ids"),
    ],
)
def test_maintenance_is_bounded(plan: Maintenance, reason: str) -> None:
    book = AlertBook()
    with pytest.raises(ValueError, match=reason):
        book.plan(plan, 5.0)
    assert book.next_due() is None
    for n in range(MAX_WINDOWS):
        book.plan(Maintenance(str(n), "*", 6.0, 9.0, "eva"), 5.0)
    with pytest.raises(ValueError, match="expected fewer"):
        book.plan(Maintenance("one more", "*", 6.0, 9.0, "eva"), 5.0)


def test_a_gateway_that_is_down_mutes_the_devices_behind_it() -> None:
    via = {"sensor-1": "gw", "sensor-2": "gw", "sensor-3": "other"}
    book = AlertBook(via=via.get)
    for sensor in ("sensor-1", "sensor-3"):
        assert turn(book, HOT, sensor, True, 1.0)[0].suppression is NONE
    gateway, muted = turn(book, DOWN, "gw", True, 2.0)
    assert (gateway.rule, gateway.suppression) == ("gateway-down", NONE)
    assert (muted.subject, muted.suppression) == ("sensor-1", MUTE)
    assert muted.suppressed_by == "gateway-down on gw"
    (late,) = turn(book, HOT, "sensor-2", True, 3.0)
    assert (late.suppression, late.sounded) == (MUTE, False)
    book = reborn(book, via)
    (cleared,) = turn(book, HOT, "sensor-1", False, 4.0)
    assert cleared.state is State.CLEARED_UNACKNOWLEDGED
    back = turn(book, DOWN, "gw", False, 5.0)
    assert [(a.subject, a.suppression, a.sounded) for a in back] == [
        ("gw", NONE, True),
        ("sensor-1", NONE, True),
        ("sensor-2", NONE, True),
    ]


def test_of_two_that_inhibit_each_other_one_is_heard() -> None:
    one = Rule(name="one", when="t > 1", inhibited_by=("two",))
    two = Rule(name="two", when="t > 2", inhibited_by=("one",))
    book = AlertBook()
    turn(book, one, "d", True, 1.0)
    turn(book, two, "d", True, 2.0)
    assert [alert.suppression for alert in book.open()] == [NONE, MUTE]
    turn(book, one, "d", False, 3.0)
    assert [alert.suppression for alert in book.open()] == [NONE, NONE]


def test_a_rule_that_changes_its_words_changes_what_mutes_its_alerts() -> None:
    book = AlertBook()
    turn(book, HOT, "d", True, 1.0)
    turn(book, DOWN, "d", True, 2.0)
    (free,) = book.amend(Rule(name="hot", when="t > 80", actions=("ops",)), 3.0)
    assert (free.suppression, free.actions) == (NONE, ("ops",))
    (bound,) = book.amend(HOT, 4.0)
    assert bound.suppression is MUTE
