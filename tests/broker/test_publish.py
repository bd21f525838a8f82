"""PUBLISH from clients through the sink to subscribers, packet by packet."""

import pytest

from tests.broker.harness import Running
from tocsin.broker.packets import (
    Connect,
    Disconnect,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tocsin.devices.message import Message


async def test_messages_of_every_qos_reach_the_sink_as_sent(broker: Running) -> None:
    async with broker.client("boiler-1") as peer:
        await peer.send(
            Publish("a/b", b"zero", retain=True),
            Publish("a/b", b"one", 1, packet_id=7),
            Publish("a/c", b"two", 2, packet_id=9),
        )
        assert await peer.receive() == Puback(7)
        assert await peer.receive() == Pubrec(9)
        await peer.send(Pubrel(9))
        assert await peer.receive() == Pubcomp(9)
    assert broker.sink.messages == [
        Message("boiler-1", "a/b", b"zero", 0, True, 0),
        Message("boiler-1", "a/b", b"one", 1, False, 7),
        Message("boiler-1", "a/c", b"two", 2, False, 9),
    ]


async def test_one_turn_is_one_batch_over_all_connections(broker: Running) -> None:
    async with broker.client("a") as first, broker.client("b") as second:
        # Both segments are in the sockets before the loop looks at either.
        first.writer.write(b"".join([b"\x30\x04\x00\x01ax"] * 50))
        second.writer.write(b"".join([b"\x30\x04\x00\x01by"] * 50))
        await first.round_trip()
        await second.round_trip()
    assert [len(batch) for batch in broker.sink.batches] == [100]


@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_delivery_at_the_lower_qos(broker: Running, published: int, granted: int) -> None:
    async with broker.client("sub") as sub, broker.client("pub") as pub:
        assert await sub.subscribe("t/+", granted) == granted
        await pub.send(Publish("t/x", b"v", published, packet_id=3 if published else 0))
        got = await sub.expect(Publish)
        assert (got.topic, got.payload, got.qos) == ("t/x", b"v", min(published, granted))
        assert not got.retain
        assert not got.dup
        if got.qos == 1:
            await sub.send(Puback(got.packet_id))
        if got.qos == 2:
            await sub.send(Pubrec(got.packet_id))
            assert await sub.receive() == Pubrel(got.packet_id)
            await sub.send(Pubcomp(got.packet_id))
        await sub.round_trip()


async def test_qos_2_repeated_before_release_counts_once(broker: Running) -> None:
    async with broker.client("pub") as pub:
        await pub.send(Publish("t", b"v", 2, packet_id=5))
        assert await pub.receive() == Pubrec(5)
        await pub.send(Publish("t", b"v", 2, dup=True, packet_id=5))
        assert await pub.receive() == Pubrec(5)
        await pub.send(Pubrel(5))
        assert await pub.receive() == Pubcomp(5)
        # The id is free again: the same bytes are another message now.
        await pub.send(Publish("t", b"v", 2, packet_id=5))
        assert await pub.receive() == Pubrec(5)
    assert len(broker.sink.messages) == 2


async def test_qos_2_is_once_across_a_reconnect(broker: Running) -> None:
    async with broker.client("pub", clean=False) as pub:
        await pub.send(Publish("t", b"v", 2, packet_id=5))
        assert await pub.receive() == Pubrec(5)
    async with broker.client("pub", clean=False) as pub:
        await pub.send(Publish("t", b"v", 2, dup=True, packet_id=5))
        assert await pub.receive() == Pubrec(5)
    assert broker.sink.payloads == [b"v"]


async def test_overlapping_filters_deliver_once_at_the_highest_qos(broker: Running) -> None:
    async with broker.client() as peer:
        await peer.send(Subscribe(1, (("a/#", 0), ("a/+", 1), ("a/b", 0))))
        assert await peer.receive() == Suback(1, (0, 1, 0))
        await peer.send(Publish("a/b", b"v", 1, packet_id=2))
        got = {type(packet): packet for packet in (await peer.receive(), await peer.receive())}
        assert got[Publish] == Publish("a/b", b"v", 1, packet_id=1)
        assert got[Puback] == Puback(2)
        await peer.round_trip()


async def test_unsubscribe_ends_delivery(broker: Running) -> None:
    async with broker.client() as peer:
        await peer.subscribe("a/#")
        await peer.send(Unsubscribe(4, ("a/#", "never/there")))
        assert await peer.receive() == Unsuback(4)
        await peer.send(Publish("a/b", b"v"))
        await peer.round_trip()


async def test_a_subscription_holds_from_its_place_among_the_packets(broker: Running) -> None:
    async with broker.client() as peer:
        await peer.send(
            Publish("t", b"before", retain=True),
            Subscribe(1, (("t", 0),)),
            Publish("t", b"within"),
            Unsubscribe(2, ("t",)),
            Publish("t", b"after"),
        )
        assert await peer.receive() == Suback(1, (0,))
        # Not live: it was published before. As the retained message it is sent once.
        assert await peer.receive() == Publish("t", b"before", retain=True)
        assert await peer.receive() == Publish("t", b"within")
        assert await peer.receive() == Unsuback(2)
        await peer.round_trip()


async def test_a_wildcard_at_the_start_does_not_see_dollar_topics(broker: Running) -> None:
    async with broker.client() as peer:
        await peer.subscribe("#")
        await peer.subscribe("+/secret")
        broker.broker.publish("$internal/secret", b"x")
        await peer.round_trip()
        await peer.subscribe("$internal/#")
        broker.broker.publish("$internal/secret", b"y")
        assert (await peer.expect(Publish)).payload == b"y"


async def test_the_servers_own_messages_reach_subscribers_and_not_the_sink(broker: Running) -> None:
    async with broker.client() as peer:
        await peer.subscribe("tocsin/#", 1)
        broker.broker.publish("tocsin/alerts/d/r", b"{}", qos=1, retain=True)
        got = await peer.expect(Publish)
        assert (got.topic, got.qos, got.retain) == ("tocsin/alerts/d/r", 1, False)
    assert broker.sink.batches == []


def test_the_server_publishes_to_topics_only(broker: Running) -> None:
    with pytest.raises(ValueError, match="no wildcard"):
        broker.broker.publish("a/#", b"")
    with pytest.raises(ValueError, match="qos is 3"):
        broker.broker.publish("a", b"", qos=3)


# -- retained --------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_retained_is_sent_to_a_new_subscription(broker: Running, qos: int) -> None:
    async with broker.client("pub") as pub, broker.client("sub") as sub:
        await pub.send(Publish("r/1", b"old", qos, True, packet_id=1 if qos else 0))
        await pub.send(Publish("r/1", b"new", qos, True, packet_id=2 if qos else 0))
        await broker.until("both are stored", lambda: len(broker.sink.messages) == 2)
        await pub.send(b"")
        assert await sub.subscribe("r/#", 2) == 2
        got = await sub.expect(Publish)
        assert (got.payload, got.qos, got.retain) == (b"new", qos, True)


async def test_an_empty_payload_deletes_and_is_delivered(broker: Running) -> None:
    async with broker.client("pub") as pub, broker.client("sub") as sub:
        await pub.send(Publish("r", b"v", retain=True))
        await pub.round_trip()
        await sub.subscribe("r")
        assert (await sub.expect(Publish)).retain
        await pub.send(Publish("r", b"", retain=True))
        got = await sub.expect(Publish)
        assert (got.payload, got.retain) == (b"", False)
        assert await sub.subscribe("r") == 0
        await sub.round_trip()


async def test_a_newer_qos_0_value_survives_the_commit_of_an_older_one(broker: Running) -> None:
    broker.sink.held = True
    async with broker.client("pub") as pub, broker.client("sub") as sub:
        await pub.send(
            Publish("kept", b"older", 1, True, packet_id=1), Publish("kept", b"newer", 0, True)
        )
        await pub.send(
            Publish("gone", b"older", 1, True, packet_id=2), Publish("gone", b"", 0, True)
        )
        await pub.round_trip()
        broker.sink.store()
        assert await pub.receive() == Puback(1)
        assert await pub.receive() == Puback(2)
        await sub.subscribe("#")
        assert (await sub.expect(Publish)).payload == b"newer"
        await sub.round_trip()


# -- wills -----------------------------------------------------------------------------------


async def test_the_will_is_published_when_the_socket_goes(broker: Running) -> None:
    async with broker.client("watch") as watch, broker.peer() as peer:
        await watch.subscribe("wills/#", 1)
        await peer.connect(Connect("dying", will=Will("wills/dying", b"gone", 1, retain=True)))
        await peer.leave()
        got = await watch.expect(Publish)
        assert (got.topic, got.payload, got.qos) == ("wills/dying", b"gone", 1)
    assert broker.sink.messages == [Message("dying", "wills/dying", b"gone", 1, True, 0)]
    assert await broker.ended("dying") == "connection lost"


async def test_disconnect_forgets_the_will(broker: Running) -> None:
    async with broker.peer() as peer:
        await peer.connect(Connect("leaving", will=Will("w", b"gone")))
        await peer.send(Disconnect())
        await peer.closed()
    assert await broker.ended("leaving") == "clean"
    assert broker.sink.messages == []
