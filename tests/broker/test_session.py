"""The session machine: windows, packet ids, resends, and QoS 2 once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tocsin.broker.codec import decode
from tocsin.broker.outbound import FIRST_LOOSE_ID, Answer
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.packets import Packet, Publish, Pubrel
from tocsin.broker.session import Arrival, Session


def session(in_flight: int = 3, queued: int = 10, queued_bytes: int = 10_000) -> Session:
    return Session(
        in_flight=in_flight, queued_messages=queued, queued_bytes=queued_bytes, unreleased=4
    )


def message(payload: bytes, qos: int = 1) -> Outgoing:
    return Outgoing("t", payload, qos)


def sent(machine: Session) -> list[tuple[int, bytes]]:
    """Packet id and payload of everything the session lets go now."""
    got: list[tuple[int, bytes]] = []
    while (due := machine.sendable()) is not None:
        got.append((due[0], due[1].payload))
    return got


def resumed(machine: Session) -> list[Packet]:
    """What a new connection gets: PUBRELs, then what was sent before, as far as the window goes."""
    packets: list[Packet] = [Pubrel(packet_id) for packet_id in machine.resume()]
    while (due := machine.sendable()) is not None:
        packet_id, outgoing, dup = due
        wire = b"".join(outgoing.packet(packet_id, dup))
        packets.append(decode(wire[0], wire[2:]))
    return packets


def acknowledge(machine: Session, packet_id: int) -> bool:
    """PUBACK came, and the journal has it."""
    known = machine.acknowledge(packet_id)
    if known:
        machine.finish(packet_id)
    return known


def receive(machine: Session, packet_id: int) -> bool:
    """PUBREC came, and the journal has it."""
    answer = machine.received(packet_id)
    if answer is Answer.NEW:
        machine.release_due(packet_id)
    return answer is not Answer.UNKNOWN


def complete(machine: Session, packet_id: int) -> bool:
    """PUBCOMP came, and the journal has it."""
    known = machine.complete(packet_id)
    if known:
        machine.finish(packet_id)
    return known


def test_messages_leave_in_order_as_far_as_the_window_allows() -> None:
    machine = session(in_flight=2)
    for payload in (b"a", b"b", b"c", b"d"):
        assert machine.offer(message(payload))
    assert sent(machine) == [(1, b"a"), (2, b"b")]
    assert acknowledge(machine, 1)
    assert sent(machine) == [(3, b"c")]
    assert (machine.waiting, machine.in_flight) == (1, 2)


def test_an_ack_counts_once_and_for_its_qos_only() -> None:
    machine = session()
    machine.offer(message(b"one", 1))
    machine.offer(message(b"two", 2))
    sent(machine)
    assert not acknowledge(machine, 2), "PUBACK for a QoS 2 message"
    assert not receive(machine, 1), "PUBREC for a QoS 1 message"
    assert not complete(machine, 2), "PUBCOMP before PUBREC"
    assert acknowledge(machine, 1)
    assert not acknowledge(machine, 1)
    assert receive(machine, 2)
    assert receive(machine, 2), "a repeated PUBREC is answered again"
    assert complete(machine, 2)
    assert not receive(machine, 2)
    assert machine.in_flight == 0


def test_until_the_journal_has_an_answer_its_id_is_taken_and_nothing_comes_again() -> None:
    machine = session(in_flight=2)
    for payload, qos in ((b"a", 1), (b"b", 2), (b"c", 1)):
        machine.offer(message(payload, qos))
    assert sent(machine) == [(1, b"a"), (2, b"b")]
    assert machine.acknowledge(1)
    assert machine.received(2) is Answer.NEW
    assert machine.received(2) is Answer.PENDING, "PUBREL leaves once, when the journal has it"
    assert sent(machine) == [(3, b"c")], "the window is open at once"
    assert resumed(machine) == [Publish("t", b"c", 1, dup=True, packet_id=3)]
    machine.unanswer(2)
    machine.finish(1)
    assert resumed(machine) == [
        Publish("t", b"b", 2, dup=True, packet_id=2),
        Publish("t", b"c", 1, dup=True, packet_id=3),
    ]


def test_after_a_crash_what_may_have_been_sent_goes_out_with_dup_and_is_never_dropped() -> None:
    machine = session(in_flight=2, queued=2)
    for payload in (b"a", b"b", b"c", b"d"):
        machine.offer(message(payload), bounded=False)
    assert sent(machine) == [(1, b"a"), (2, b"b")]
    assert machine.last_sent == 2
    again = session(in_flight=2, queued=2)
    again.load(*machine.state())
    again.left(machine.last_sent)
    assert again.drop_oldest(), "it was not sent"
    assert resumed(again) == [
        Publish("t", b"a", 1, dup=True, packet_id=1),
        Publish("t", b"b", 1, dup=True, packet_id=2),
    ]
    crashed = session(in_flight=5, queued=2)
    crashed.load(*machine.state())
    crashed.left(None)
    assert not crashed.drop_oldest()
    assert [(p.packet_id, p.dup) for p in resumed(crashed) if isinstance(p, Publish)] == [
        (1, True), (2, True), (3, True), (4, True),
    ]  # fmt: skip
    assert crashed.offer(message(b"e"))
    assert sent(crashed) == [(5, b"e")], "the next id is the one it would have been"


def test_what_the_journal_does_not_have_shifts_no_id_and_is_not_in_the_state() -> None:
    machine = session(in_flight=9)
    machine.offer(message(b"a"))
    machine.offer(message(b"loose"), loose=True)
    machine.offer(message(b"b"))
    assert sent(machine) == [(1, b"a"), (FIRST_LOOSE_ID, b"loose"), (2, b"b")]
    assert [packet_id for packet_id, _ in machine.state()[2]] == [1, 2]
    assert machine.last_sent == 2


def test_the_queue_is_bounded_by_count_and_by_bytes() -> None:
    machine = session(queued=2)
    assert machine.offer(message(b"a"))
    assert machine.offer(message(b"b"))
    assert not machine.offer(message(b"c"))
    machine.drop_oldest()
    assert machine.offer(message(b"c"))
    assert [payload for _, payload in sent(machine)] == [b"b", b"c"]

    machine = session(queued_bytes=100)
    assert machine.offer(message(b"x" * 200)), "alone, a message larger than the bound is taken"
    assert not machine.offer(message(b"y"))
    machine.drop_oldest()
    assert machine.waiting_bytes == 0


def test_resume_sends_releases_first_and_the_rest_again_in_order() -> None:
    machine = session(in_flight=4)
    for payload, qos in ((b"a", 1), (b"b", 2), (b"c", 1), (b"d", 2)):
        machine.offer(message(payload, qos))
    sent(machine)
    receive(machine, 2)
    acknowledge(machine, 1)
    assert resumed(machine) == [
        Pubrel(2),
        Publish("t", b"c", 1, dup=True, packet_id=3),
        Publish("t", b"d", 2, dup=True, packet_id=4),
    ]
    assert resumed(machine) == resumed(machine), "asking twice changes nothing"


def test_packet_ids_go_round_and_skip_those_in_use() -> None:
    machine = session(in_flight=2)
    machine.offer(message(b"first", 2))
    assert sent(machine) == [(1, b"first")]
    receive(machine, 1)
    packet_id = 1
    for _ in range(FIRST_LOOSE_ID - 1):
        machine.offer(message(b"x"))
        [(packet_id, _)] = sent(machine)
        assert packet_id != 1
        acknowledge(machine, packet_id)
    assert packet_id == 2


def test_qos_2_from_the_client() -> None:
    machine = session()
    assert machine.receive(9) is Arrival.NEW
    assert machine.receive(9) is Arrival.REPEATED
    machine.release(9)
    assert machine.receive(9) is Arrival.REPEATED, "PUBREL before our PUBREC changes nothing"
    machine.keep(9)
    assert machine.is_kept(9)
    machine.release(9)
    assert not machine.is_kept(9)
    assert machine.receive(9) is Arrival.NEW
    machine.forget(9)
    assert machine.receive(9) is Arrival.NEW, "what was not stored may come again"
    assert not machine.knows(8)


def test_unreleased_messages_are_bounded() -> None:
    machine = session()
    assert [machine.receive(i) for i in range(1, 6)] == [*[Arrival.NEW] * 4, Arrival.TOO_MANY]


@given(st.binary(max_size=50), st.integers(1, 2), st.integers(1, 65_535), st.booleans())
def test_an_outgoing_message_is_the_publish_it_stands_for(
    payload: bytes, qos: int, packet_id: int, dup: bool
) -> None:
    outgoing = Outgoing("a/b", payload, qos)
    wire = b"".join(outgoing.packet(packet_id, dup))
    assert len(wire) == outgoing.size
    assert decode(wire[0], wire[2:]) == Publish("a/b", payload, qos, False, dup, packet_id)


class Delivery(RuleBasedStateMachine):
    """Any order of offers, acks and reconnects: each message leaves, in order, none invented."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = session(in_flight=3, queued=1_000, queued_bytes=1_000_000)
        self.offered: list[bytes] = []
        self.first_sent: list[bytes] = []
        self.qos_of: dict[int, int] = {}
        self.released: list[int] = []
        self.open: list[int] = []
        """Sent on this connection and not answered."""

    @rule(qos=st.integers(1, 2))
    def offer(self, qos: int) -> None:
        payload = b"%d" % len(self.offered)
        assert self.machine.offer(message(payload, qos))
        self.offered.append(payload)

    @rule()
    def send(self) -> None:
        due = self.machine.sendable()
        if due is not None:
            packet_id, outgoing, dup = due
            assert dup == (packet_id in self.qos_of), "an id in use was given again"
            if not dup:
                self.qos_of[packet_id] = outgoing.qos
                self.first_sent.append(outgoing.payload)
            self.open.append(packet_id)

    @precondition(lambda self: any(i not in self.released for i in self.qos_of))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        # Also one from the connection before, whose turn to be sent again has not come.
        open_ids = [i for i in self.qos_of if i not in self.released]
        packet_id = data.draw(st.sampled_from(open_ids))
        if packet_id in self.open:
            self.open.remove(packet_id)
        if self.qos_of[packet_id] == 1:
            assert acknowledge(self.machine, packet_id)
            del self.qos_of[packet_id]
        else:
            assert receive(self.machine, packet_id)
            self.released.append(packet_id)

    @precondition(lambda self: self.released)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(self.released))
        assert complete(self.machine, packet_id)
        self.released.remove(packet_id)
        del self.qos_of[packet_id]

    @rule(window=st.integers(1, 3), restart=st.booleans())
    def reconnect(self, window: int, restart: bool) -> None:
        if restart:
            before, self.machine = self.machine, session(queued=1_000, queued_bytes=1_000_000)
            self.machine.load(*before.state())
        self.machine.window = window
        assert self.machine.resume() == self.released
        self.open = []

    @rule()
    def send_all(self) -> None:
        before = self.machine.waiting
        while len(self.open) + len(self.released) < self.machine.window and (
            self.machine.waiting or any(i not in self.released for i in self.qos_of)
        ):
            sent_before = len(self.open)
            self.send()
            if len(self.open) == sent_before:
                break
        assert self.machine.waiting <= before

    @invariant()
    def holds(self) -> None:
        assert self.first_sent == self.offered[: len(self.first_sent)]
        assert self.machine.in_flight == len(self.qos_of)
        again = [i for i in self.qos_of if i not in self.released]
        assert [i for i in again if i in self.open] == self.open[: len(self.open)]


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=40, stateful_step_count=40)


@pytest.mark.parametrize("qos", [1, 2])
def test_one_encoding_is_shared_by_all(qos: int) -> None:
    outgoing = message(b"x" * 1000, qos)
    first, second = session(), session()
    first.offer(outgoing)
    second.offer(outgoing)
    one, two = first.sendable(), second.sendable()
    assert one is not None
    assert two is not None
    assert one[1].packet(1)[2] is two[1].packet(9)[2]
