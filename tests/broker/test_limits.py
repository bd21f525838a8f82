"""Limits: what each one does when it is hit, and that it counts."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack

import pytest

from tests.broker.harness import WITHIN_S, Peer, Running, local, running
from tocsin.broker import Settings
from tocsin.broker.codec import encode
from tocsin.broker.intake import MOST_WAITING
from tocsin.broker.packets import (
    LEVEL_5,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Pubrec,
    Suback,
    Subscribe,
)
from tocsin.broker.properties import Properties


async def narrow(broker: Running) -> Peer:
    """A socket with a small buffer: what is not read stays with the broker soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", broker.port))
    return Peer(*await asyncio.open_connection(sock=sock, limit=1_024))


async def deaf(broker: Running, client: str, qos: int, clean: bool = True) -> Peer:
    """A subscriber to `t` that then reads nothing."""
    peer = await narrow(broker)
    await peer.connect(Connect(client, clean))
    assert await peer.subscribe("t", qos) == qos
    return peer


def report_of(broker: Running, client: str) -> tuple[int, int, dict[str, int]]:
    """Queued, bytes in the write buffer, and dropped by reason."""
    [report] = [each for each in broker.broker.report().clients if each.id == client]
    return report.queued, report.write_buffer_bytes, dict(report.dropped)


def in_flight_of(broker: Running, client: str) -> int:
    [report] = [each for each in broker.broker.report().clients if each.id == client]
    return report.in_flight


SLOW = {"packet_bytes": 20_000, "write_buffer_bytes": 50_000}


async def test_a_slow_subscriber_loses_qos_0_and_others_lose_nothing() -> None:
    async with running(local(**SLOW)) as broker, broker.client("good") as good:
        await good.subscribe("t")
        slow = await deaf(broker, "slow", 0)
        payload = b"x" * 10_000
        # More than any kernel buffers between us and it.
        for number in range(1_500):
            broker.broker.publish("t", payload)
            assert (await good.expect(Publish)).payload == payload, number
        _, buffered, dropped = report_of(broker, "slow")
        assert buffered <= 50_000
        assert dropped["write buffer full"] > 100
        assert report_of(broker, "good")[2] == {}
        # It stays connected, and hears again as soon as it reads.
        reading = asyncio.create_task(read_until(slow, b"last"))
        while not reading.done():
            broker.broker.publish("t", b"last")
            await asyncio.sleep(0.01)
        await reading
        await slow.leave()


async def read_until(peer: Peer, payload: bytes) -> None:
    while (await peer.expect(Publish)).payload != payload:
        pass


async def test_a_slow_subscriber_at_qos_1_is_queued_to_the_bound_and_then_disconnected() -> None:
    settings = local(**SLOW, in_flight=10, queued_messages=50)
    async with running(settings) as broker, broker.client("good") as good:
        await good.subscribe("t", 1)
        slow = await deaf(broker, "slow", 1, clean=False)
        for number in range(100):
            broker.broker.publish("t", b"%d" % number, qos=1)
            await good.send(Puback((await good.expect(Publish)).packet_id))
        assert (await broker.ended("slow")).startswith("slow subscriber: ")
        assert broker.refused() == {"slow subscriber": 1}
        queued, _, dropped = report_of(broker, "slow")
        assert queued == 50
        assert dropped == {"queue full": 40}
        await slow.leave()
        # The newest are kept for its return, behind those that were in flight.
        async with broker.client("slow", clean=False) as peer:
            got: list[bytes] = []
            while len(got) < 60:
                publish = await peer.expect(Publish)
                got.append(publish.payload)
                await peer.send(Puback(publish.packet_id))
        assert got == [b"%d" % n for n in [*range(10), *range(50, 100)]]


async def test_large_qos_1_messages_wait_for_the_socket_and_all_arrive() -> None:
    async with running(local(**SLOW, in_flight=1_000)) as broker:
        slow = await deaf(broker, "slow", 1)
        for number in range(400):
            broker.broker.publish("t", b"%06d" % number + b"x" * 15_000, qos=1)
        await slow.send(b"")
        queued, buffered, _ = report_of(broker, "slow")
        assert queued > 0
        assert buffered <= 50_000 + 15_100
        got: list[int] = []
        async with asyncio.timeout(WITHIN_S):
            while len(got) < 400:
                publish = await slow.expect(Publish)
                got.append(int(publish.payload[:6]))
                await slow.send(Puback(publish.packet_id))
        assert got == list(range(400))
        await slow.leave()


async def test_what_a_session_sends_again_waits_for_the_socket_too() -> None:
    async with running(local(**SLOW, in_flight=400)) as broker:
        async with broker.client("c", clean=False) as peer:
            await peer.subscribe("t", 1)
            for number in range(400):
                broker.broker.publish("t", b"%06d" % number + b"x" * 15_000, qos=1)
            ids = [(await peer.expect(Publish)).packet_id for _ in range(400)]
        await broker.ended("c")
        peer = await narrow(broker)
        await peer.connect(Connect("c", False))
        _, buffered, _ = report_of(broker, "c")
        assert buffered <= 50_000 + 15_100
        # An ack for one whose turn has not come: it is not sent again.
        await peer.send(Puback(ids[-1]))
        await broker.until("the ack", lambda: in_flight_of(broker, "c") == 399)
        got = [await peer.expect(Publish) for _ in range(399)]
        assert [(int(each.payload[:6]), each.dup) for each in got] == [
            (number, True) for number in range(399)
        ]
        await peer.round_trip()
        await peer.leave()


async def test_more_retained_messages_than_any_buffer_all_arrive() -> None:
    async with running(local(**SLOW, in_flight=3, queued_messages=5)) as broker:
        payload = b"x" * 5_000
        for number in range(300):
            broker.broker.publish(f"r/{number}", payload, qos=number % 2, retain=True)
        async with broker.client() as peer:
            await peer.subscribe("r/#", 1)
            seen: set[str] = set()
            while len(seen) < 300:
                publish = await peer.expect(Publish)
                assert publish.retain
                seen.add(publish.topic)
                if publish.qos:
                    await peer.send(Puback(publish.packet_id))
            await peer.round_trip()


async def test_retained_messages_unread_are_bounded() -> None:
    async with running(local(retained_replay=15)) as broker, broker.client() as peer:
        for number in range(10):
            broker.broker.publish(f"r/{number}", b"x", retain=True)
        await peer.send(Subscribe(1, (("r/#", 0), ("r/+", 0), ("r/1", 0))))
        assert await peer.receive() == Suback(1, (0, 0, 0x80))
        for _ in range(20):
            assert (await peer.expect(Publish)).retain
        await peer.send(Subscribe(2, (("r/1", 0),)))
        assert await peer.receive() == Suback(2, (0,))


async def test_retained_messages_of_clients_are_bounded() -> None:
    async with running(local(retained_messages=2)) as broker, broker.client() as peer:
        for number in range(3):
            await peer.send(Publish(f"r/{number}", b"v", retain=True))
        await peer.round_trip()
        totals = broker.broker.totals()
        assert (totals.retained, totals.not_retained) == (2, 1)
        assert len(broker.sink.messages) == 3


async def test_bytes_of_retained_messages_are_bounded() -> None:
    async with running(local(retained_bytes=1_000)) as broker, broker.client() as peer:
        for number in range(3):
            await peer.send(Publish(f"r/{number}", bytes(400), retain=True))
        # What takes the place of another needs what it is larger by.
        await peer.send(Publish("r/0", b"x" * 500, retain=True))
        await peer.send(Publish("r/1", b"x" * 500, retain=True))
        await peer.round_trip()
        totals = broker.broker.totals()
        assert (totals.retained, totals.not_retained) == (2, 2)
        assert totals.retained_bytes == 906
        await peer.subscribe("r/#")
        got = {each.topic: len(each.payload) for each in
               [await peer.expect(Publish), await peer.expect(Publish)]}  # fmt: skip
        assert got == {"r/0": 500, "r/1": 400}


async def test_what_the_server_retains_takes_no_room_of_clients() -> None:
    async with running(local(retained_messages=2, retained_bytes=1_000)) as broker:
        for number in range(5):
            broker.broker.publish(f"own/{number}", bytes(400), retain=True)
        async with broker.client() as peer:
            for number in (1, 2, 3):
                await peer.send(Publish(f"r/{number}", b"v", retain=True))
            await peer.send(Publish("r/1", b"", retain=True), Publish("r/3", b"v", retain=True))
            await peer.round_trip()
        totals = broker.broker.totals()
        assert (totals.retained, totals.not_retained) == (7, 1)


async def test_bytes_queued_for_who_is_away_are_bounded() -> None:
    async with running(local(queued_bytes=1_000)) as broker:
        async with broker.client("c", clean=False) as peer:
            await peer.subscribe("t", 1)
        await broker.ended("c")
        for number in range(5):
            broker.broker.publish("t", b"%d" % number * 300, qos=1)
        await broker.until("five were queued", lambda: report_of(broker, "c")[2])
        await broker.until("two are gone", lambda: report_of(broker, "c")[2]["queue full"] == 2)
        assert report_of(broker, "c")[0] == 3
        async with broker.peer() as peer:
            await peer.connect(Connect("c", clean=False))
            got = [(await peer.expect(Publish)).payload[:1] for _ in range(3)]
        assert got == [b"2", b"3", b"4"]


async def test_connections_of_one_address_are_bounded() -> None:
    async with running(local(address_connections=2)) as broker:
        async with broker.client("a") as first, broker.peer(), broker.peer() as third:
            await third.closed()
            await first.round_trip()
        assert broker.refused() == {"too many connections of one address": 1}
        [refusal] = broker.broker.report().refusals
        assert refusal.reason.startswith("too many connections of one address: 127.0.0.1 has 2")
        await broker.until("room again", lambda: not broker.broker.totals().connections)
        async with broker.client("c") as peer:
            await peer.round_trip()


async def test_how_fast_an_address_connects_is_bounded() -> None:
    settings = local(address_connects_per_s=5.0, address_connect_burst=2)
    async with running(settings) as broker:
        async with broker.client("a") as first, broker.client("b"), broker.peer() as third:
            await third.closed()
            await first.round_trip()
        assert broker.refused() == {"connects too fast": 1}

        async def comes_in() -> None:
            async with broker.client("c") as peer:
                await peer.round_trip()

        began = time.monotonic()
        while True:  # its budget fills again
            try:
                await comes_in()
            except (ConnectionError, EOFError):
                assert time.monotonic() - began < 5
                await asyncio.sleep(0.02)
            else:
                break


async def test_a_connect_and_a_client_id_are_bounded() -> None:
    async with running(local(connect_packet_bytes=100, client_id_bytes=10)) as broker:
        async with broker.peer() as peer:
            assert (await peer.connect(Connect("x" * 11))).code == 2
        async with broker.peer() as peer:
            await peer.send(Connect("c", username="u" * 100))
            await peer.closed()
        assert broker.refused() == {"client id too long": 1, "malformed packet": 1}


async def test_subscriptions_of_one_client_are_bounded() -> None:
    async with running(local(subscriptions=2)) as broker, broker.client() as peer:
        await peer.send(Subscribe(1, (("a", 0), ("b", 1), ("c", 0), ("a", 2))))
        assert await peer.receive() == Suback(1, (0, 1, 0x80, 2))
        assert broker.refused() == {"too many subscriptions": 1}


@pytest.mark.parametrize("topic", ["x" * 5_000, "/".join("x" * 65)])
async def test_topics_and_filters_are_bounded_in_length_and_depth(
    broker: Running, topic: str
) -> None:
    async with broker.client("c") as peer:
        assert await peer.subscribe(topic) == 0x80
        await peer.send(Publish(topic, b"v"))
        await peer.round_trip()
    assert broker.sink.messages == []
    assert broker.refused() == {"filter too long": 1, "not allowed": 1}


async def test_unreleased_qos_2_messages_are_bounded() -> None:
    async with running(local(unreleased=2)) as broker, broker.client("c") as peer:
        for packet_id in (1, 2):
            await peer.send(Publish("t", b"v", 2, packet_id=packet_id))
            assert await peer.receive() == Pubrec(packet_id)
        await peer.send(Publish("t", b"v", 2, packet_id=3))
        await peer.closed()
        assert (await broker.ended("c")).startswith("too many unreleased messages: ")


async def test_who_publishes_too_fast_waits_and_loses_nothing() -> None:
    async with running(local(client_messages_per_s=100.0)) as broker:
        async with broker.client("fast") as fast, broker.client("other") as other:
            await fast.subscribe("t")
            began = time.monotonic()
            await fast.send(*(Publish("t", b"%d" % number) for number in range(250)))
            for number in range(250):
                assert (await fast.expect(Publish)).payload == b"%d" % number
            # A second's worth at once, and 150 more: it is read again when they are paid for.
            waiting = asyncio.create_task(fast.round_trip())
            await other.round_trip()
            assert not waiting.done()
            await waiting
            assert time.monotonic() - began > 1.4
            reports = {each.id: each for each in broker.broker.report().clients}
            # One pause or two: the last bytes may come when the first has ended.
            assert reports["fast"].throttled >= 1
            assert reports["other"].throttled == 0
            assert broker.broker.totals().throttled == reports["fast"].throttled
            assert not reports["fast"].dropped


async def test_who_sends_too_many_bytes_waits_too() -> None:
    async with running(local(client_bytes_per_s=100_000.0)) as broker, broker.client("c") as peer:
        began = time.monotonic()
        await peer.send(Publish("t", b"x" * 140_000, 1, packet_id=1))
        await peer.expect(Puback)
        await peer.round_trip()
        assert time.monotonic() - began > 0.35
        assert broker.broker.report().clients[0].throttled >= 1


async def test_a_flood_under_a_limit_keeps_its_order() -> None:
    # More than one feed gives: what has come waits for the budget and for its turn.
    async with running(local(client_messages_per_s=5_000.0)) as broker:
        async with broker.client("many") as many:
            numbers = [b"%d" % number for number in range(6_000)]
            await many.send(*(Publish("t", each) for each in numbers), Disconnect())
            await many.closed()
        assert await broker.ended("many") == "clean"
        assert broker.sink.payloads == numbers


async def test_who_never_reads_its_answers_is_disconnected() -> None:
    async with running(local(packet_bytes=20_000, write_buffer_bytes=20_000)) as broker:
        peer = await narrow(broker)
        await peer.connect(Connect("deaf", level=LEVEL_5))
        # Else the kernel takes megabytes of answers before any of them waits with us.
        [ours] = broker.broker._around.connections  # pyright: ignore[reportPrivateUsage]
        sock = ours.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
        asking = asyncio.create_task(ask_for_ever(peer))
        assert await broker.ended("deaf") == (
            "slow subscriber: it does not read its answers; expected at most 40000 bytes"
        )
        with pytest.raises(ConnectionError):
            await asking
        await peer.leave()


async def ask_for_ever(peer: Peer) -> None:
    """Each of these is answered with 270 bytes: why it is refused."""
    filters = (("$share/", 0),) * 5
    while True:
        await peer.send(*[Subscribe(1, filters)] * 100)


async def test_many_packets_at_once_are_taken_in_turns_with_others(broker: Running) -> None:
    async with broker.client("many") as many, broker.client("one") as one:
        many.writer.write(encode(Pingreq()) * 50_000)
        await one.round_trip()
        # 2 bytes each: the other was answered while most of these were not.
        assert broker.broker.totals().bytes_sent < 50_000
        answers = await many.reader.readexactly(100_000)
        assert answers == encode(Pingresp()) * 50_000


async def test_a_flood_in_one_segment_keeps_its_order(broker: Running) -> None:
    async with broker.client("many") as many:
        numbers = [b"%d" % number for number in range(10_000)]
        many.writer.write(b"".join(encode(Publish("t", each)) for each in numbers))
        await many.send(Disconnect())
        await many.closed()
    assert await broker.ended("many") == "clean"
    assert broker.sink.payloads == numbers


async def test_who_sends_much_waits_while_the_sink_has_no_room_and_others_do_not() -> None:
    rooms = [0]
    async with (
        running(room=lambda: rooms[0]) as broker,
        broker.client("many") as many,
        broker.client("one") as one,
    ):
        numbers = [b"%d" % number for number in range(10_000)]
        many.writer.write(b"".join(encode(Publish("t", each)) for each in numbers))
        while not broker.sink.payloads:
            await one.round_trip()
        share = len(broker.sink.payloads)
        assert share < 1_000
        await one.send(Publish("t", b"one"))
        await one.round_trip()
        assert broker.sink.payloads[share:] == [b"one"]
        rooms[0] = 500
        await many.send(Disconnect())
        await many.closed()
        assert [each for each in broker.sink.payloads if each != b"one"] == numbers


async def test_where_too_much_waits_in_the_sink_everybody_waits_and_nothing_is_lost() -> None:
    rooms = [0]
    async with (
        running(room=lambda: rooms[0]) as broker,
        broker.client("one") as one,
        broker.client("other") as other,
    ):
        rooms[0] = -MOST_WAITING
        for peer in (one, other):
            await peer.send(Publish("t", b"late"))
            await peer.send(Disconnect())
        for _ in range(50):
            await asyncio.sleep(0)
        assert broker.sink.payloads == []
        rooms[0] = 100
        await one.closed()
        await other.closed()
        assert broker.sink.payloads == [b"late", b"late"]


async def test_one_turn_takes_so_much_of_all_and_the_rest_in_order() -> None:
    async with running() as broker, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(broker.client(f"c-{n}")) for n in range(40)]
        for peer in peers:
            payloads = [encode(Publish(f"t/{n}", b"%d" % n)) for n in range(200)]
            peer.writer.write(b"".join(payloads) + encode(Disconnect()))
        for peer in peers:
            await peer.closed()
        taken = [(each.client, each.payload) for each in broker.sink.messages]
        for n in range(40):
            mine = [payload for client, payload in taken if client == f"c-{n}"]
            assert mine == [b"%d" % number for number in range(200)]


async def test_a_packet_of_full_size_passes_and_one_byte_more_does_not() -> None:
    payload = b"x" * 262_144
    async with running() as broker, broker.client("c") as peer:
        await peer.subscribe("t", 1)
        await peer.send(Publish("t", payload, 1, packet_id=1))
        packets = [await peer.receive(), await peer.receive()]
        assert Publish("t", payload, 1, packet_id=1) in packets
        await peer.send(Publish("t", b"x" * 266_240))
        await peer.closed()
        assert (await broker.ended("c")).startswith("malformed packet: packet has 266243 bytes")


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_who_is_told_of_a_message_too_large_learns_its_topic(
    broker: Running, qos: int
) -> None:
    wire = encode(Publish("devices/d/telemetry", b"x" * 300_000, qos, packet_id=7 if qos else 0))
    async with broker.client("c") as peer:
        # In pieces, cut within the head, behind another message and with more to come.
        await peer.send(encode(Publish("t", b"before")) + wire[:10])
        await peer.send(wire[10:9_000])
        await peer.closed()
    [(message, reason)] = broker.refusals
    assert (message.client, message.topic, message.qos) == ("c", "devices/d/telemetry", qos)
    assert message.payload == b"x" * len(message.payload)
    assert 1_000 < len(message.payload) < 8_192
    assert reason.startswith("packet has 300021 bytes" if not qos else "packet has 300023 bytes")
    assert broker.sink.order[1] == "before"
    assert broker.sink.order[2] == "refused devices/d/telemetry"
    assert broker.sink.order[3].startswith("c malformed packet: ")


async def test_a_topic_alias_of_a_message_too_large_is_known(broker: Running) -> None:
    aliased = Properties(topic_alias=3)
    async with broker.client5("c") as peer:
        await peer.send(Publish("devices/d/telemetry", b"1", properties=aliased))
        await peer.send(Publish("", b"x" * 300_000, 1, packet_id=1, properties=aliased))
        await peer.closed()
    assert [message.topic for message, _ in broker.refusals] == ["devices/d/telemetry"]


@pytest.mark.parametrize("topic", ["$SYS/x", "tocsin/alerts/d/hot", "x" * 5_000])
async def test_a_message_too_large_counts_only_where_its_client_may_publish(
    broker: Running, topic: str
) -> None:
    async with broker.client("c") as peer:
        await peer.send(Publish(topic, b"x" * 300_000))
        await peer.closed()
    await broker.ended("c")
    assert broker.refusals == []
    assert broker.refused() == {"malformed packet": 1}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"in_flight": 0}, "in_flight is 0; expected more than 0"),
        ({"in_flight": 70_000}, "in_flight is 70000; expected at most 65535"),
        (
            {"queued_messages": 49_100},
            "queued_messages is 49100, in_flight 100; expected less than 49152 together",
        ),
        ({"write_buffer_bytes": 10}, "write_buffer_bytes is 10; expected at least packet_bytes"),
    ],
)
def test_settings_that_contradict_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**wrong)  # pyright: ignore[reportArgumentType]
