"""The session machine: windows, packet ids, resends, and QoS 2 once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tocsin.broker.codec import decode
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
    packets: list[Packet] = []
    for packet_id, due in machine.resume():
        if due is None:
            packets.append(Pubrel(packet_id))
        else:
            wire = b"".join(due.packet(packet_id, dup=True))
            packets.append(decode(wire[0], wire[2:]))
    return packets


def test_messages_leave_in_order_as_far_as_the_window_allows() -> None:
    machine = session(in_flight=2)
    for payload in (b"a", b"b", b"c", b"d"):
        assert machine.offer(message(payload))
    assert sent(machine) == [(1, b"a"), (2, b"b")]
    assert machine.acknowledge(1)
    assert sent(machine) == [(3, b"c")]
    assert (machine.waiting, machine.in_flight) == (1, 2)


def test_an_ack_counts_once_and_for_its_qos_only() -> None:
    machine = session()
    machine.offer(message(b"one", 1))
    machine.offer(message(b"two", 2))
    sent(machine)
    assert not machine.acknowledge(2), "PUBACK for a QoS 2 message"
    assert not machine.received(1), "PUBREC for a QoS 1 message"
    assert not machine.complete(2), "PUBCOMP before PUBREC"
    assert machine.acknowledge(1)
    assert not machine.acknowledge(1)
    assert machine.received(2)
    assert machine.received(2), "a repeated PUBREC is answered again"
    assert machine.complete(2)
    assert not machine.received(2)
    assert machine.in_flight == 0


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
    machine.received(2)
    machine.acknowledge(1)
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
    machine.received(1)
    packet_id = 1
    for _ in range(65_535):
        machine.offer(message(b"x"))
        [(packet_id, _)] = sent(machine)
        assert packet_id != 1
        machine.acknowledge(packet_id)
    assert packet_id == 2


def test_qos_2_from_the_client() -> None:
    machine = session()
    assert machine.receive(9) is Arrival.NEW
    assert machine.receive(9) is Arrival.REPEATED
    machine.release(9)
    assert machine.receive(9) is Arrival.REPEATED, "PUBREL before our PUBREC changes nothing"
    assert machine.commit(9)
    assert machine.is_committed(9)
    machine.release(9)
    assert not machine.is_committed(9)
    assert machine.receive(9) is Arrival.NEW
    machine.forget(9)
    assert machine.receive(9) is Arrival.NEW, "what was not stored may come again"
    assert not machine.commit(8)


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

    @rule(qos=st.integers(1, 2))
    def offer(self, qos: int) -> None:
        payload = b"%d" % len(self.offered)
        assert self.machine.offer(message(payload, qos))
        self.offered.append(payload)

    @rule()
    def send(self) -> None:
        due = self.machine.sendable()
        if due is not None:
            packet_id, outgoing = due
            assert packet_id not in self.qos_of, "an id in use was given again"
            self.qos_of[packet_id] = outgoing.qos
            self.first_sent.append(outgoing.payload)

    @precondition(lambda self: any(i not in self.released for i in self.qos_of))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        open_ids = [i for i in self.qos_of if i not in self.released]
        packet_id = data.draw(st.sampled_from(open_ids))
        if self.qos_of[packet_id] == 1:
            assert self.machine.acknowledge(packet_id)
            del self.qos_of[packet_id]
        else:
            assert self.machine.received(packet_id)
            self.released.append(packet_id)

    @precondition(lambda self: self.released)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(self.released))
        assert self.machine.complete(packet_id)
        self.released.remove(packet_id)
        del self.qos_of[packet_id]

    @rule()
    def reconnect(self) -> None:
        packets = resumed(self.machine)
        releases = [packet.packet_id for packet in packets if isinstance(packet, Pubrel)]
        again = [packet for packet in packets if isinstance(packet, Publish)]
        assert releases == self.released
        assert [packet.packet_id for packet in again] == [
            i for i in self.qos_of if i not in self.released
        ]
        assert all(packet.dup for packet in again)

    @invariant()
    def holds(self) -> None:
        assert self.first_sent == self.offered[: len(self.first_sent)]
        assert self.machine.waiting == len(self.offered) - len(self.first_sent)
        assert self.machine.in_flight == len(self.qos_of) <= 3


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
