"""A storm is told in a few requests: what goes together, when, and that nothing is missing."""

import json
from collections import Counter
from dataclasses import replace as with_settings
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ingest.delivery.test_backlog import FAILED, an_alert, delivery, sent_now
from tocsin.deliveries import encode
from tocsin.ingest.alerts.alert import Cause, State
from tocsin.ingest.alerts.lifecycle import Event
from tocsin.ingest.delivery.backlog import Backlog
from tocsin.ingest.delivery.channel import MOST_TOGETHER, Channel
from tocsin.ingest.delivery.haste import AT_ONCE, EVERY_S
from tocsin.ingest.delivery.receipt import Answer, Delivery, Parcel, Receipt

OPS = Channel("ops", url="http://127.0.0.1/", group_by="rule", group_interval_s=60.0)
REFUSED = Answer("answered 422", again=False)


def keys(parcels: list[Parcel]) -> list[list[str]]:
    return [[each.key for each in parcel.deliveries] for parcel in parcels]


def storm(count: int, at: float = 0.0) -> list[Delivery]:
    return [delivery(f"a{number}", at=at) for number in range(count)]


def filled(deliveries: list[Delivery], channel: Channel = OPS) -> Backlog:
    backlog = Backlog(channel)
    for each in deliveries:
        assert backlog.add(each) == []
    return backlog


def test_what_comes_within_the_wait_is_one_request_for_each_rule() -> None:
    """0 s: a-1 b-1 x-1 of another rule | 0.9 s: a-2 | 1 s: told"""
    backlog = filled([delivery("a"), delivery("b"), delivery("x"), delivery("a", 2, at=0.9)])
    assert sent_now(backlog, 0.99) == []
    assert backlog.next_due() == 1.0
    hot, cold = sent_now(backlog, 1.0)
    assert (hot.group, cold.group) == ("hot", "cold")
    assert keys([hot, cold]) == [["a-1", "b-1", "a-2"], ["x-1"]]


def test_a_group_that_was_told_is_told_again_after_its_interval() -> None:
    backlog = filled([delivery("a")])
    (first,) = sent_now(backlog, 1.0)
    backlog.add(delivery("b", at=1.1))  # while it is under way
    backlog.settle(first, Answer(), 2.0, 0.0)
    backlog.add(delivery("c", at=30.0))
    backlog.add(delivery("x", at=30.0))
    assert keys(sent_now(backlog, 61.9)) == [["x-1"]], "of another group nobody heard lately"
    assert keys(sent_now(backlog, 62.0)) == [["b-1", "c-1"]]


def test_a_receipt_says_when_a_transition_is_told() -> None:
    backlog = filled([delivery("a"), delivery("b", at=0.5)])
    dues = [found.due for one in "ab" if (found := backlog.find(delivery(one)))]
    assert dues == [1.0, 1.5]
    (first,) = sent_now(backlog, 1.5)
    backlog.settle(first, Answer(), 2.0, 0.0)
    for name in "ab":
        backlog.add(delivery(name, 2, at=10.0))
    dues = [found.due for one in "ab" if (found := backlog.find(delivery(one, 2)))]
    assert dues == [62.0, 62.0]


def test_a_thousand_alerts_are_told_in_three_requests_without_a_pause_between_them() -> None:
    backlog = filled(storm(1001))
    parcels: list[Parcel] = []
    while found := sent_now(backlog, 1.0):
        [parcel] = found
        parcels.append(parcel)
        backlog.settle(parcel, Answer(), 1.0, 0.0)
    assert [len(each.deliveries) for each in parcels] == [MOST_TOGETHER, MOST_TOGETHER, 1]
    told = Counter(key for each in keys(parcels) for key in each)
    assert told == Counter(each.key for each in storm(1001))


def test_a_request_that_fails_is_made_again_with_what_has_come_since_in_order() -> None:
    backlog = filled([delivery("a")])
    (first,) = sent_now(backlog, 1.0)
    [failed] = backlog.settle(first, FAILED, 1.0, 0.0)
    assert (failed.state, failed.due) == (Receipt.FAILED, 2.0)
    backlog.add(delivery("b", at=1.5))
    (again,) = sent_now(backlog, 2.0)
    assert keys([again]) == [["a-1", "b-1"]]
    assert [each.attempts for each in again.deliveries] == [2, 1]
    assert first.key != again.key, "another message, another id"
    assert first.key == Parcel((delivery("a"),), "hot").key, "the same, the same"


def test_of_a_group_that_is_refused_the_one_that_is_at_fault_is_found_and_the_rest_told() -> None:
    backlog = filled(storm(100))
    dead: list[str] = []
    told: list[str] = []
    now, requests = 1.0, 0
    while (due := backlog.next_due()) is not None:
        now = max(now, due)
        parcel = backlog.take_due(now)
        assert parcel
        requests += 1
        answer = REFUSED if "a66-1" in keys([parcel])[0] else Answer()
        for each in backlog.settle(parcel, answer, now, 0.0):
            if each.state is Receipt.DEAD:
                dead.append(each.key)
            elif each.state is Receipt.CONFIRMED:
                told.append(each.key)
    assert dead == ["a66-1"]
    assert sorted([*told, *dead]) == sorted(each.key for each in storm(100))
    assert requests < 40
    assert now < 10.0, "halving waits for nothing"
    assert not backlog.is_failing


def test_those_of_a_group_that_waited_too_long_are_given_up_and_the_younger_are_not() -> None:
    channel = with_settings(OPS, give_up_s=50.0)
    backlog = filled([delivery("a"), delivery("b", at=40.0)], channel)
    (parcel,) = sent_now(backlog, 60.0)
    settled = backlog.settle(parcel, FAILED, 60.0, 0.0)
    assert [each.state for each in settled] == [Receipt.DEAD, Receipt.FAILED]
    assert keys(sent_now(backlog, 100.0)) == [["b-1"]]


def test_by_severity_a_critical_alert_does_not_wait_for_a_storm_of_others() -> None:
    channel = with_settings(OPS, group_by="severity")
    backlog = filled(storm(3), channel)
    (first,) = sent_now(backlog, 1.0)
    backlog.settle(first, Answer(), 1.0, 0.0)
    critical = delivery("b", at=5.0)
    backlog.add(replace(critical, alert=replace(critical.alert, severity="critical")))
    (next_one,) = sent_now(backlog, 6.0)
    assert (next_one.group, keys([next_one])) == ("critical", [["b-1"]])


def critical(name: str, at: float, event: Event = Event.HOLDS) -> Delivery:
    one = delivery(name, at=at)
    cause = Cause(at, "tocsin", event)
    return replace(one, alert=replace(one.alert, severity="critical", cause=cause))


def test_a_critical_alert_waits_for_no_interval_and_takes_along_what_waits_in_order() -> None:
    backlog = filled([delivery("a"), critical("b", 0.2)])
    (first,) = sent_now(backlog, 0.2)
    assert keys([first]) == [["a-1", "b-1"]], "without the wait of a first"
    backlog.settle(first, Answer(), 0.3, 0.0)
    backlog.add(delivery("c", at=5.0))
    assert sent_now(backlog, 6.0) == []
    backlog.add(critical("a2", 6.0))
    found = backlog.find(delivery("c"))
    assert found is not None
    assert found.due == 6.0, "a receipt says so"
    (second,) = sent_now(backlog, 6.0)
    backlog.add(critical("b2", 6.1))
    assert sent_now(backlog, 6.1) == [], "no two of a group at a time"
    backlog.settle(second, Answer(), 6.2, 0.0)
    assert keys(sent_now(backlog, 6.2)) == [["b2-1"]]


def test_the_end_of_a_critical_alert_waits_for_the_others() -> None:
    backlog = filled([critical("a", 0.0, Event.FALLS)])
    assert sent_now(backlog, 0.9) == []


def test_after_a_failure_a_critical_alert_waits_with_the_others() -> None:
    backlog = filled([critical("a", 0.0)])
    (first,) = sent_now(backlog, 0.0)
    backlog.settle(first, FAILED, 0.0, 0.0)
    backlog.add(critical("b", 0.5))
    assert sent_now(backlog, 0.9) == []
    assert keys(sent_now(backlog, 1.0)) == [["a-1", "b-1"]]


def test_a_storm_of_critical_alerts_is_told_in_few_requests_and_none_waits_over_a_second() -> None:
    """One comes each 10 ms for 20 s, and each request is answered at once."""
    backlog = Backlog(OPS)
    requests, longest = 0, 0.0
    for step in range(2200):
        now = step / 100
        if step < 2000:
            backlog.add(critical(f"a{step}", now))
        for parcel in sent_now(backlog, now):
            requests += 1
            longest = max(longest, *(now - each.queued_at for each in parcel.deliveries))
            backlog.settle(parcel, Answer(), now, 0.0)
    assert len(backlog) == 0
    assert requests <= AT_ONCE + 22 / EVERY_S
    assert longest <= EVERY_S + 0.011


def test_what_goes_together_leaves_room_in_a_small_backlog() -> None:
    assert with_settings(OPS, backlog=9, concurrency=4).together == 2
    assert with_settings(OPS, backlog=5, concurrency=4).together == 1
    assert with_settings(OPS, group_by="").together == 1


async def test_the_body_has_every_transition_under_its_key() -> None:
    deliveries = [delivery("a"), delivery("b"), delivery("a", 2)]
    over = replace(an_alert("a", 2), state=State.CLEARED)
    deliveries[2] = replace(deliveries[2], alert=over)
    parcel = Parcel(tuple(deliveries), "hot")
    body: Any = json.loads(await encode(OPS, parcel))
    assert (body["type"], body["key"], body["group_by"], body["group"]) == (
        "alerts",
        parcel.key,
        "rule",
        "hot",
    )
    assert (body["alerts_total"], body["states"]) == (2, {"cleared": 1, "active": 1})
    assert [each["key"] for each in body["notices"]] == ["a-1", "b-1", "a-2"]
    assert [each["alert"]["state"] for each in body["notices"]] == ["active", "active", "cleared"]
    assert all(each["transition"]["revision"] for each in body["notices"])


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {"group_wait_s": -1.0},
            "group_wait_s of ops is -1; expected more than 0",
        ),
        (
            {"group_interval_s": 4000.0},
            "group_interval_s of ops is 4000; expected more than 0",
        ),
        ({"kind": "mqtt", "url": "", "command": "siren"}, "group_by is for kind 'webhook'"),
    ],
)
def test_settings_that_make_no_group(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        with_settings(OPS, **keys)
