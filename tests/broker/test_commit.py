"""The sink decides: no ack before it is done, none when it fails, no reading when it is behind."""

import asyncio

import pytest

from tests.broker.clauses import clause311
from tests.broker.harness import WITHIN_S, Peer, Running, local, running
from tocsin.broker.packets import Connack, Connect, Puback, Pubcomp, Publish, Pubrec, Pubrel, Will


@pytest.mark.parametrize(("qos", "answer"), [(1, Puback(1)), (2, Pubrec(1))])
@clause311("MQTT-4.3.2-2", "MQTT-4.3.3-2")
async def test_no_ack_and_no_delivery_before_the_sink_is_done(
    broker: Running, qos: int, answer: object
) -> None:
    broker.sink.held = True
    async with broker.client("pub") as pub, broker.client("sub") as sub:
        await sub.subscribe("t", 2)
        await pub.send(Publish("t", b"v", qos, packet_id=1))
        await broker.until("the sink has it", lambda: broker.sink.messages)
        # Whatever was on its way to either would come before these.
        await pub.round_trip()
        await sub.round_trip()
        broker.sink.store()
        assert await pub.receive() == answer
        assert (await sub.expect(Publish)).payload == b"v"


async def test_qos_0_does_not_wait_for_the_sink(broker: Running) -> None:
    broker.sink.held = True
    async with broker.client("pub") as pub, broker.client("sub") as sub:
        await sub.subscribe("t", 2)
        await pub.send(Publish("t", b"at once"))
        assert (await sub.expect(Publish)).payload == b"at once"


@clause311("MQTT-4.6.0-2", "MQTT-4.6.0-3")
async def test_acks_leave_in_order_also_when_the_sink_finishes_out_of_order(
    broker: Running,
) -> None:
    broker.sink.held = True
    async with broker.client("pub") as pub, broker.client("sub") as sub:
        await sub.subscribe("t", 1)
        for number in (1, 2):
            await pub.send(Publish("t", b"%d" % number, 1, packet_id=number))
            await broker.until(f"batch {number}", lambda n=number: len(broker.sink.batches) == n)
        earlier, later = broker.sink.waiting
        later.set_result(None)
        await pub.round_trip()
        earlier.set_result(None)
        assert [await pub.receive(), await pub.receive()] == [Puback(1), Puback(2)]
        assert [(await sub.expect(Publish)).payload for _ in range(2)] == [b"1", b"2"]


async def test_when_the_sink_fails_nothing_is_acked_and_the_client_tries_again(
    broker: Running,
) -> None:
    async with broker.client("c", clean=False) as pub, broker.client("zero") as zero:
        broker.sink.held = True
        await pub.send(Publish("t", b"one", 1, packet_id=1), Publish("t", b"two", 2, packet_id=2))
        await zero.send(Publish("t", b"zero"))
        await broker.until("the sink has all", lambda: len(broker.sink.messages) == 3)
        broker.sink.fail(OSError(28, "No space left on device"))
        with pytest.raises((EOFError, ConnectionError)):
            await pub.receive()
        assert await broker.ended("c") == "not stored"
        await zero.round_trip()
    report = broker.broker.report()
    assert report.refused["not stored"] >= 1
    assert "No space left" in report.refusals[0].reason
    assert report.totals.messages_not_stored == 3
    broker.sink.held = False
    broker.sink.store()
    async with broker.client("c", clean=False) as pub:
        await pub.send(
            Publish("t", b"one", 1, dup=True, packet_id=1),
            Publish("t", b"two", 2, dup=True, packet_id=2),
        )
        assert {await pub.receive(), await pub.receive()} == {Puback(1), Pubrec(2)}
    # The QoS 2 message was not stored: its second try is the message.
    assert broker.sink.payloads.count(b"two") == 2


async def test_a_sink_that_raises_at_once_is_a_failed_sink() -> None:
    async with running() as broker, broker.client("c") as peer:
        broker.sink.error = OSError("no journal")
        await peer.send(Publish("t", b"v", 1, packet_id=1))
        await peer.closed()
        assert await broker.ended("c") == "not stored"


async def test_a_qos_2_repeat_on_a_new_connection_waits_for_the_first(broker: Running) -> None:
    async with broker.client("c", clean=False) as pub:
        broker.sink.held = True
        await pub.send(Publish("t", b"v", 2, packet_id=1))
        await broker.until("the sink has it", lambda: broker.sink.messages)
    await broker.ended("c")
    async with broker.peer() as pub:
        # Its session goes on when the journal has what was before it, and that it came.
        await pub.send(Connect("c", False), Publish("t", b"v", 2, dup=True, packet_id=1))
        await broker.until("its arrival is on its way", lambda: len(broker.sink.facts) == 3)
        broker.sink.held = False
        broker.sink.store()
        assert (await pub.expect(Connack)).session_present
        assert await pub.receive() == Pubrec(1)
        await pub.send(Pubrel(1))
        assert await pub.receive() == Pubcomp(1)
    assert broker.sink.payloads == [b"v"]


async def test_a_qos_2_repeat_of_a_message_that_fails_is_not_acked(broker: Running) -> None:
    async with broker.client("c", clean=False) as pub:
        broker.sink.held = True
        await pub.send(
            Publish("t", b"v", 2, packet_id=1), Publish("t", b"v", 2, dup=True, packet_id=1)
        )
        await broker.until("the sink has it", lambda: broker.sink.messages)
        broker.sink.fail(OSError("gone"))
        with pytest.raises((EOFError, ConnectionError)):
            await pub.receive()
    broker.sink.held = False
    broker.sink.store()
    async with broker.client("c", clean=False) as pub:
        await pub.send(Publish("t", b"v", 2, dup=True, packet_id=1))
        assert await pub.receive() == Pubrec(1)


async def test_reading_pauses_while_the_sink_is_behind_and_goes_on_after() -> None:
    async with running(local(uncommitted_bytes=50_000)) as broker:
        broker.sink.held = True
        async with broker.client("flood") as flood, broker.client("sub") as sub:
            await sub.subscribe("news")
            sending = asyncio.create_task(flood_with(flood, messages=4_000))
            await broker.until("reading is paused", lambda: broker.broker.totals().paused)
            taken = len(broker.sink.messages)
            assert taken < 4_000
            # Who does not publish is served as ever.
            broker.broker.publish("news", b"still")
            assert (await sub.expect(Publish)).payload == b"still"
            await sub.round_trip()
            assert len(broker.sink.messages) == taken
            assert not sending.done()
            broker.sink.held = False
            broker.sink.store()
            async with asyncio.timeout(WITHIN_S):
                await sending
            await broker.until("all came", lambda: len(broker.sink.messages) == 4_000)
        totals = broker.broker.totals()
        assert totals.pauses >= 1
        assert (totals.paused, totals.uncommitted_bytes) == (False, 0)


async def flood_with(peer: Peer, messages: int) -> None:
    """Sends until it is through: TCP stops it while the broker does not read."""
    packet = Publish("t", b"x" * 5_000)
    for _ in range(messages):
        await peer.send(packet)


async def test_a_paused_client_is_not_taken_for_dead() -> None:
    async with running(local(uncommitted_bytes=1_000)) as broker:
        broker.sink.held = True
        async with broker.peer() as peer:
            await peer.connect(Connect("c", keepalive_s=1))
            await peer.send(Publish("t", b"x" * 2_000, 1, packet_id=1))
            await broker.until("paused", lambda: broker.broker.totals().paused)
            # Longer than one and a half times its keepalive: its silence is ours.
            await asyncio.sleep(2.2)
            broker.sink.store()
            assert await peer.receive() == Puback(1)


async def test_nothing_is_taken_after_the_packet_that_closes(broker: Running) -> None:
    async with broker.client("c") as peer:
        await peer.send(
            Publish("t", b"before", 1, packet_id=1),
            Publish("$SYS/x", b"refused", 1, packet_id=2),
            Publish("t", b"after", 1, packet_id=3),
        )
        await peer.closed()
    await broker.ended("c")
    async with broker.client("other") as other:
        await other.send(Publish("t", b"other", 1, packet_id=1))
        assert await other.receive() == Puback(1)
    assert broker.sink.payloads == [b"before", b"other"]
    assert broker.broker.totals().uncommitted_bytes == 0


async def test_a_full_disk_is_one_refusal_however_many_batches_fail(broker: Running) -> None:
    async with broker.client("c") as peer:
        for error in (OSError("full"), OSError("full"), None, OSError("full again")):
            broker.sink.error = error
            await peer.send(Publish("t", b"v"))
            await peer.round_trip()
    reasons = [refusal.reason for refusal in broker.broker.report().refusals]
    assert reasons == ["not stored: OSError('full')", "not stored: OSError('full again')"]
    assert broker.broker.totals().messages_not_stored == 3


async def test_a_will_waits_for_the_sink_like_any_message(broker: Running) -> None:
    broker.sink.held = True
    async with broker.client("sub") as sub, broker.peer() as peer:
        await sub.subscribe("w", 1)
        await peer.connect(Connect("c", will=Will("w", b"gone", 1)))
        await peer.leave()
        await broker.ended("c")
        await sub.round_trip()
        broker.sink.store()
        assert (await sub.expect(Publish)).payload == b"gone"


async def test_stop_lets_a_commit_under_way_be_acked() -> None:
    async with running() as broker:
        broker.sink.held = True
        async with broker.client("c") as peer:
            await peer.send(Publish("t", b"v", 1, packet_id=1))
            await broker.until("the sink has it", lambda: broker.sink.messages)
            stopping = asyncio.create_task(broker.broker.stop())
            await broker.until("nobody is accepted", lambda: not broker.broker.addresses)
            await peer.send(Publish("t", b"too late", 1, packet_id=2))
            for _ in range(20):
                await asyncio.sleep(0)
            broker.sink.store()
            assert await peer.receive() == Puback(1)
            await peer.closed()
            await stopping
        assert broker.sink.payloads == [b"v"]


async def test_messages_reach_the_sink_before_the_end_of_their_connection() -> None:
    async with running() as broker:
        async with broker.peer() as peer:
            # As `mosquitto_pub` does it: all in one breath.
            await peer.send(Connect("pub"), Publish("t", b"v"), b"\xe0\x00")
            await peer.closed()
        await broker.ended("pub")
        assert broker.sink.order == ["pub connected", "v", "pub clean"]
