"""What must hold however MQTT travels: order, bounds, pauses and the last word."""

import asyncio
from pathlib import Path

import pytest

from tests.broker.clauses import clause, clause311
from tests.broker.harness import WITHIN_S, Peer, Running, running
from tests.broker.transports import WAYS, Way
from tocsin.broker.codec import encode
from tocsin.broker.packets import (
    LEVEL_5,
    Connack,
    Connect,
    Disconnect,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    return Way(request.param, tmp_path)


async def test_a_large_message_there_and_back_at_qos_2(way: Way) -> None:
    async with running(way.settings()) as broker, way.peer(broker) as peer:
        assert await peer.connect(Connect("c")) == Connack()
        assert await peer.subscribe("t", 2) == 2
        payload = bytes(range(256)) * 900
        await peer.send(Publish("t", payload, 2, packet_id=7))
        assert await peer.receive() == Publish("t", payload, 2, packet_id=1)
        assert await peer.receive() == Pubrec(7)
        await peer.send(Pubrel(7), Pubrec(1))
        assert {await peer.receive(), await peer.receive()} == {Pubcomp(7), Pubrel(1)}
        assert broker.sink.payloads == [payload]
        address = broker.broker.report().clients[0].address
        assert address is not None
        assert address.startswith("127.0.0.1:")


@clause311("MQTT-7.1.1-1")
@clause("MQTT-4.2.0-1")
async def test_a_flood_keeps_its_order_and_ends_clean(way: Way) -> None:
    async with running(way.settings()) as broker:
        async with way.peer(broker) as peer:
            await peer.connect(Connect("c"))
            numbers = [b"%d" % number for number in range(20_000)]
            await peer.send(*(Publish("t", each) for each in numbers), Disconnect())
            await peer.closed()
        assert await broker.ended("c") == "clean"
        assert broker.sink.payloads == numbers


async def test_while_the_sink_is_behind_nothing_is_read(way: Way) -> None:
    settings = way.settings(uncommitted_bytes=200_000)
    async with running(settings) as broker, way.peer(broker) as peer:
        await peer.connect(Connect("c"))
        broker.sink.held = True
        packet = encode(Publish("t", b"x" * 10_000, 1, packet_id=1))
        sending = asyncio.create_task(send_all(peer, packet, 2_000))
        await broker.until("reading is paused", lambda: broker.broker.totals().paused)
        await stays_the_same(broker)
        # Kernel buffers on both sides, and the turn that was under way.
        assert broker.broker.totals().uncommitted_bytes < 1_000_000
        assert not sending.done()
        broker.sink.held = False
        broker.sink.store()
        for _ in range(2_000):
            assert await peer.receive() == Puback(1)
        await sending
        assert len(broker.sink.messages) == 2_000


async def send_all(peer: Peer, packet: bytes, count: int) -> None:
    for _ in range(count):
        await peer.send(packet)


async def stays_the_same(broker: Running) -> None:
    """Returns when 20 turns of the loop brought nothing new."""
    seen, quiet = -1, 0
    while quiet < 20:
        now = len(broker.sink.messages)
        quiet = quiet + 1 if now == seen else 0
        seen = now
        await asyncio.sleep(0.005)


async def test_a_subscriber_that_does_not_read_is_bounded(way: Way) -> None:
    settings = way.settings(packet_bytes=20_000, write_buffer_bytes=50_000)
    async with running(settings) as broker, way.peer(broker) as slow, way.peer(broker) as good:
        await slow.connect(Connect("slow"))
        await slow.subscribe("t")
        await good.connect(Connect("good"))
        await good.subscribe("t")
        for number in range(1_500):
            broker.broker.publish("t", b"%06d" % number + b"x" * 10_000)
            assert (await good.expect(Publish)).payload.startswith(b"%06d" % number)
        [report] = [each for each in broker.broker.report().clients if each.id == "slow"]
        # The encryption of what was written may lie in the buffer beside it.
        assert report.write_buffer_bytes <= 50_000 + 20_000
        assert report.dropped["write buffer full"] > 100
        reading = asyncio.create_task(read_until(slow, b"last"))
        while not reading.done():
            broker.broker.publish("t", b"last")
            await asyncio.sleep(0.01)
        await reading


async def read_until(peer: Peer, payload: bytes) -> None:
    while (await peer.expect(Publish)).payload != payload:
        pass


async def test_the_last_word_is_read_before_the_end(way: Way) -> None:
    async with running(way.settings()) as broker, way.peer(broker) as peer:
        await peer.connect(Connect("c", level=LEVEL_5))
        await peer.send(Publish("+", b"no"), b"\x30" * 60_000)
        assert (await peer.expect(Disconnect)).reason == 0x90
        await peer.closed()


async def test_a_silent_client_is_cut_after_its_keepalive(way: Way) -> None:
    async with running(way.settings()) as broker, way.peer(broker) as peer:
        await peer.connect(Connect("c", keepalive_s=1))
        await peer.closed()
        assert await broker.ended("c") == "keepalive"
        await broker.until("its place is free", lambda: not broker.broker.totals().connections)


async def test_a_takeover_closes_the_older_connection(way: Way) -> None:
    async with running(way.settings()) as broker:
        async with way.peer(broker) as old, way.peer(broker) as new:
            await old.connect(Connect("c"))
            assert await new.connect(Connect("c")) == Connack()
            await old.closed()
            await new.round_trip()


async def test_who_vanishes_is_gone(way: Way) -> None:
    async with running(way.settings()) as broker:
        async with way.peer(broker) as peer:
            await peer.connect(Connect("c"))
        assert await broker.ended("c") == "connection lost"
        await broker.until("its place is free", lambda: not broker.broker.totals().connections)


async def test_stop_tells_everybody_within_its_time(way: Way) -> None:
    async with running(way.settings()) as broker, way.peer(broker) as peer:
        await peer.connect(Connect("c", level=LEVEL_5))
        async with asyncio.timeout(WITHIN_S):
            stopping = asyncio.create_task(broker.broker.stop())
            assert (await peer.expect(Disconnect)).reason == 0x8B
            await peer.closed()
            await stopping
