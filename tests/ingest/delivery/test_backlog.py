"""What waits for a channel: order, pauses, bounds; time and chance are arguments."""

from dataclasses import replace as with_settings

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.delivery.backlog import FAILS_AFTER, Backlog
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Answer, Delivery, Parcel, Receipt, retry_after_s

OPS = Channel("ops", url="http://127.0.0.1/", concurrency=2, give_up_s=1000.0)
FAILED = Answer("answered 500")


def delivery(alert: str, revision: int = 1, at: float = 0.0) -> Delivery:
    return Delivery("ops", an_alert(alert, revision), at, at, at)


def an_alert(name: str, revision: int) -> Alert:
    rule, state = "hot" if name < "d" else "cold", State.ACTIVE
    return Alert(name, rule, "d", "d", "major", state, True, False, 1.0, "", 0.0, revision=revision)


def sent_now(backlog: Backlog, now: float) -> list[Parcel]:
    sent: list[Parcel] = []
    while one := backlog.take_due(now):
        sent.append(one)
    return sent


def states(deliveries: list[Delivery]) -> list[Receipt]:
    return [each.state for each in deliveries]


def test_transitions_of_one_alert_go_one_after_the_other() -> None:
    backlog = Backlog(OPS)
    for each in (delivery("a", 1), delivery("a", 2), delivery("b", 1)):
        assert backlog.add(each) == []
    first, other = sent_now(backlog, 1.0)
    assert (first.key, other.key) == ("a-1", "b-1")
    [one] = first.deliveries
    assert (one.state, one.attempts, one.changed_at) == (Receipt.SENT, 1, 1.0)
    assert backlog.next_due() is None
    [done] = backlog.settle(first, Answer(), 2.0, 0.0)
    assert (done.state, done.changed_at) == (Receipt.CONFIRMED, 2.0)
    (second,) = sent_now(backlog, 2.0)
    assert second.key == "a-2"
    assert (len(backlog), backlog.in_flight, backlog.confirmed_total) == (2, 2, 1)


def test_pauses_grow_to_five_minutes_and_jitter_takes_away_up_to_a_half() -> None:
    assert [retry_after_s(n, 0.0) for n in range(1, 12)] == [
        *(1, 2, 4, 8, 16, 32, 64, 128, 256),
        *(300, 300),
    ]
    assert retry_after_s(3, 1.0) == 2.0
    assert retry_after_s(10**9, 0.5) == 225.0


def test_while_it_fails_one_attempt_at_a_time_is_made() -> None:
    backlog = Backlog(OPS)
    for name in "abc":
        backlog.add(delivery(name))
    one, two = sent_now(backlog, 0.0)
    [failed] = backlog.settle(one, FAILED, 1.0, 0.0)
    assert (failed.state, failed.error, failed.due) == (Receipt.FAILED, "answered 500", 2.0)
    backlog.settle(two, FAILED, 1.0, 0.0)
    assert (backlog.failures, backlog.next_due()) == (2, 3.0)
    assert sent_now(backlog, 2.9) == []
    (third,) = sent_now(backlog, 3.0)
    assert third.key == "c-1", "what has waited longest"
    assert backlog.next_due() is None, "one at a time"
    backlog.settle(third, Answer(), 3.5, 0.0)
    assert {each.key for each in sent_now(backlog, 3.5)} == {"a-1", "b-1"}


def test_people_are_told_after_three_failures_in_a_row_and_it_ends_with_a_success() -> None:
    backlog = Backlog(OPS)
    backlog.add(delivery("a"))
    now = 0.0
    for n in range(1, FAILS_AFTER + 1):
        (sent,) = sent_now(backlog, now)
        backlog.settle(sent, FAILED, now, 0.0)
        assert backlog.is_failing is (n == FAILS_AFTER)
        now += 400.0
    assert (backlog.last_error, backlog.last_error_at) == ("answered 500", 800.0)
    (sent,) = sent_now(backlog, now)
    backlog.settle(sent, Answer(), now, 0.0)
    assert not backlog.is_failing
    assert (len(backlog), backlog.failed_total, backlog.confirmed_total) == (0, 3, 1)


def test_what_the_receiver_will_never_take_is_dead_and_lets_the_next_one_pass() -> None:
    backlog = Backlog(OPS)
    backlog.add(delivery("a", 1))
    backlog.add(delivery("a", 2))
    (sent,) = sent_now(backlog, 0.0)
    [dead] = backlog.settle(sent, Answer("answered 422", again=False), 1.0, 0.0)
    assert (dead.state, dead.error) == (Receipt.DEAD, "answered 422")
    assert [each.key for each in sent_now(backlog, 2.0)] == ["a-2"]


def test_it_is_given_up_after_its_time() -> None:
    backlog = Backlog(OPS)
    backlog.add(delivery("a"))
    (sent,) = sent_now(backlog, 999.0)
    assert states(backlog.settle(sent, FAILED, 999.5, 0.0)) == [Receipt.FAILED]
    (sent,) = sent_now(backlog, 1001.0)
    assert states(backlog.settle(sent, FAILED, 1001.0, 0.0)) == [Receipt.DEAD]
    assert (len(backlog), backlog.dead_total) == (0, 1)


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    backlog = Backlog(OPS)
    backlog.add(delivery("a"))
    (sent,) = sent_now(backlog, 0.0)
    backlog.settle(sent, Answer("answered 429", after_s=60.0), 0.0, 0.5)
    assert backlog.next_due() == 60.0


def test_of_too_many_the_oldest_go_but_not_what_is_in_flight() -> None:
    backlog = Backlog(with_settings(OPS, backlog=3, concurrency=1))
    for name in ("a", "b", "c"):
        backlog.add(delivery(name))
    (flying,) = sent_now(backlog, 0.0)
    (dropped,) = backlog.add(delivery("d", at=5.0))
    assert (dropped.key, dropped.state) == ("b-1", Receipt.DEAD)
    assert dropped.error == "dropped: more than 3 were waiting"
    assert (len(backlog), backlog.dropped_total) == (3, 1)
    backlog.settle(flying, Answer(), 6.0, 0.0)
    assert [each.key for each in sent_now(backlog, 6.0)] == ["c-1"]


def test_one_alert_that_changes_all_the_time_is_bounded_too() -> None:
    backlog = Backlog(with_settings(OPS, backlog=3, concurrency=1))
    backlog.add(delivery("a", 1))
    (flying,) = sent_now(backlog, 0.0)
    dropped = [d.key for n in range(2, 7) for d in backlog.add(delivery("a", n))]
    assert dropped == ["a-2", "a-3", "a-4"]
    backlog.settle(flying, Answer(), 1.0, 0.0)
    assert [each.key for each in sent_now(backlog, 1.0)] == ["a-5"]


class BacklogMachine(RuleBasedStateMachine):
    """Whatever is added, taken and settled: every delivery ends once, those of an alert in order,
    and the bounds hold."""

    channel = with_settings(OPS, backlog=8, concurrency=2, give_up_s=50.0)

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog(self.channel)
        self.now = 0.0
        self.revision: dict[str, int] = {}
        self.added: list[str] = []
        self.ended: list[str] = []
        self.flying: list[Parcel] = []
        self.confirmed: dict[str, int] = {}

    @rule(alert=st.sampled_from("abcdef"))
    def add(self, alert: str) -> None:
        self.revision[alert] = self.revision.get(alert, 0) + 1
        one = delivery(alert, self.revision[alert], self.now)
        self.added.append(one.key)
        self.ended += [each.key for each in self.backlog.add(one)]

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        due = self.backlog.next_due()
        parcel = self.backlog.take_due(self.now)
        assert parcel is None or (due is not None and due <= self.now)
        if parcel:
            assert 1 <= len(parcel.deliveries) <= self.channel.together
            flying = {one.alert.id for each in self.flying for one in each.deliveries}
            for one in parcel.deliveries:
                assert one.alert.id not in flying
                assert one.key not in self.ended
                assert parcel.group == self.channel.group_of(one.alert)
            self.flying.append(parcel)
            assert len(self.flying) <= (2 if not self.backlog.failures else 3)

    @precondition(lambda self: self.flying)
    @rule(
        which=st.integers(0, 9),
        answer=st.sampled_from([Answer(), Answer(), FAILED, Answer("no", again=False)]),
        chance=st.sampled_from([0.0, 1.0]),
    )
    def settle(self, which: int, answer: Answer, chance: float) -> None:
        parcel = self.flying.pop(which % len(self.flying))
        settled = self.backlog.settle(parcel, answer, self.now, chance)
        for sent, one in zip(parcel.deliveries, settled, strict=True):
            same = {"state": sent.state, "error": None, "due": 0, "changed_at": 0}
            assert replace(one, **same) == replace(sent, **same)
            if one.state is Receipt.FAILED:
                assert one.due > self.now or not answer.again
                assert answer.again or len(settled) > 1
                continue
            self.ended.append(one.key)
            if one.state is Receipt.CONFIRMED:
                assert self.confirmed.get(one.alert.id, 0) < one.alert.revision
                self.confirmed[one.alert.id] = one.alert.revision

    @invariant()
    def nothing_is_lost_and_nothing_ends_twice(self) -> None:
        assert len(self.ended) == len(set(self.ended))
        assert len(self.backlog) == len(self.added) - len(self.ended)
        assert len(self.backlog) <= 8
        assert self.backlog.in_flight == len(self.flying)

    def teardown(self) -> None:
        for parcel in self.flying:
            self._confirm(parcel)
        for _ in range(10_000):
            if (due := self.backlog.next_due()) is None:
                break
            self.now = max(self.now, due)
            if parcel := self.backlog.take_due(self.now):
                self._confirm(parcel)
        assert sorted(self.ended) == sorted(self.added)

    def _confirm(self, parcel: Parcel) -> None:
        settled = self.backlog.settle(parcel, Answer(), self.now, 0.0)
        self.ended += [each.key for each in settled]


class GroupedBacklogMachine(BacklogMachine):
    """The same of a channel that groups."""

    channel = with_settings(BacklogMachine.channel, group_by="rule", group_interval_s=5.0)


TestBacklog = BacklogMachine.TestCase
TestBacklog.settings = settings(max_examples=100, stateful_step_count=40)
TestGroupedBacklog = GroupedBacklogMachine.TestCase
TestGroupedBacklog.settings = settings(max_examples=100, stateful_step_count=40)


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 65])
def test_a_channel_has_a_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"name .* is none of a channel"):
        Channel(name, url="http://127.0.0.1/")
