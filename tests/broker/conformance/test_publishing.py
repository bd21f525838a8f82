"""PUBLISH and its answers both ways (3.3 to 3.7, 4.3 to 4.6, 4.9)."""

import asyncio

import pytest

from tests.broker.clauses import clause, clause311
from tests.broker.conformance.peers import both, client
from tests.broker.harness import Peer, Running, local, running
from tocsin.broker.packets import (
    LEVEL_5,
    RETAIN_NEVER,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
)
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import Reason


async def several(peer: Peer, count: int) -> list[Packet]:
    return [await peer.receive() for _ in range(count)]


async def publishes(peer: Peer, count: int) -> list[Publish]:
    return [await peer.expect(Publish) for _ in range(count)]


# -- from a client -------------------------------------------------------------------------------


@both
@clause311("MQTT-2.3.1-6", "MQTT-3.3.4-1", "MQTT-4.3.2-2")
@clause("MQTT-2.2.1-5", "MQTT-3.3.4-1", "MQTT-4.3.2-4", "MQTT-4.3.2-5", "MQTT-3.4.2-1")
async def test_qos_1_is_acknowledged_and_its_id_is_free_then(broker: Running, level: int) -> None:
    broker.sink.held = True
    async with client(broker, "c", level) as peer:
        await peer.send(Publish("t", b"0"), Publish("t", b"1", 1, packet_id=7), Pingreq())
        # Not before the message is stored, and nothing at all for QoS 0.
        assert await peer.receive() == Pingresp()
        broker.sink.store()
        assert await peer.receive() == Puback(7)
        broker.sink.held = False
        # The same id again is another message, whatever its DUP says.
        await peer.send(Publish("t", b"2", 1, dup=True, packet_id=7))
        assert await peer.receive() == Puback(7)
        await peer.round_trip()
    assert broker.sink.payloads == [b"0", b"1", b"2"]


@both
@clause311("MQTT-2.3.1-6", "MQTT-3.3.4-1", "MQTT-4.3.3-2", "MQTT-2.3.1-3")
@clause(
    "MQTT-2.2.1-5", "MQTT-3.3.4-1", "MQTT-4.3.3-8", "MQTT-4.3.3-10", "MQTT-4.3.3-11",
    "MQTT-4.3.3-12", "MQTT-3.5.2-1", "MQTT-3.7.2-1",
)  # fmt: skip
async def test_qos_2_is_one_message_until_it_is_released(broker: Running, level: int) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        for number in range(3):
            await peer.send(Publish("t", b"1", 2, dup=bool(number), packet_id=9))
            assert await peer.receive() == Pubrec(9)
    async with client(broker, "c", level, keep=True, present=True) as peer:
        await peer.send(Publish("t", b"1", 2, dup=True, packet_id=9))
        assert await peer.receive() == Pubrec(9)
        await peer.send(Pubrel(9))
        assert await peer.receive() == Pubcomp(9)
        await peer.send(Publish("t", b"2", 2, packet_id=9))
        assert await peer.receive() == Pubrec(9)
        await peer.send(Pubrel(9))
        assert await peer.receive() == Pubcomp(9)
    assert broker.sink.payloads == [b"1", b"2"]


@clause("MQTT-4.3.3-9", "MQTT-3.5.2-1", "MQTT-3.5.2-2", "MQTT-3.5.2-3", "MQTT-3.4.2-1")
@clause("MQTT-3.4.2-2", "MQTT-3.4.2-3")
async def test_an_id_that_was_refused_is_that_of_a_new_message(broker: Running) -> None:
    # The answers fit into the smallest packets that a client may ask for.
    async with broker.client5(maximum_packet_bytes=19) as peer:
        await peer.send(Publish("$SYS/x", b"1", 2, packet_id=4))
        assert await peer.receive() == Pubrec(4, Reason.NOT_AUTHORIZED)
        await peer.send(Publish("t", b"2", 2, packet_id=4))
        assert await peer.receive() == Pubrec(4)
        await peer.send(Publish("$SYS/x", b"3", 1, packet_id=5))
        assert await peer.receive() == Puback(5, Reason.NOT_AUTHORIZED)
    assert broker.sink.payloads == [b"2"]


@clause("MQTT-4.3.3-13")
async def test_an_exchange_goes_on_where_the_message_expired(broker: Running) -> None:
    expires = Properties(message_expiry_s=1)
    async with broker.client5() as peer:
        await peer.send(Publish("t", b"v", 2, packet_id=9, properties=expires))
        assert await peer.receive() == Pubrec(9)
        await asyncio.sleep(1.1)
        await peer.send(Publish("t", b"v", 2, dup=True, packet_id=9, properties=expires))
        assert await peer.receive() == Pubrec(9)
        await peer.send(Pubrel(9))
        assert await peer.receive() == Pubcomp(9)
    assert broker.sink.payloads == [b"v"]


@both
@clause311("MQTT-4.6.0-2", "MQTT-4.6.0-3")
@clause("MQTT-4.6.0-2", "MQTT-4.6.0-3")
async def test_answers_are_in_the_order_of_the_messages(broker: Running, level: int) -> None:
    for qos, answer in ((1, Puback), (2, Pubrec)):
        async with client(broker, "c", level) as peer:
            ids = (5, 3, 9, 1, 65_535, 2)
            await peer.send(*(Publish("t", b"v", qos, packet_id=each) for each in ids))
            assert [(await peer.expect(answer)).packet_id for _ in ids] == list(ids)


@clause("MQTT-3.6.2-1", "MQTT-3.6.2-2", "MQTT-3.6.2-3", "MQTT-3.7.2-1", "MQTT-3.7.2-2")
@clause("MQTT-3.7.2-3")
async def test_ids_nobody_knows_are_named(broker: Running) -> None:
    async with broker.client5(maximum_packet_bytes=19) as peer:
        await peer.send(Pubrel(9), Pubrec(8))
        found = Reason.PACKET_IDENTIFIER_NOT_FOUND
        assert await several(peer, 2) == [Pubcomp(9, found), Pubrel(8, found)]


# -- to a subscriber -----------------------------------------------------------------------------


@both
@clause311("MQTT-2.3.1-4", "MQTT-4.3.2-1", "MQTT-2.3.1-2", "MQTT-4.4.0-1", "MQTT-4.6.0-1")
@clause311("MQTT-3.3.1-1")
@clause(
    "MQTT-2.2.1-4", "MQTT-4.3.2-1", "MQTT-4.3.2-2", "MQTT-4.3.2-3", "MQTT-4.4.0-1", "MQTT-3.3.1-1"
)
async def test_qos_1_is_sent_again_with_its_id_until_it_is_acknowledged(
    broker: Running, level: int
) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        await peer.subscribe("t", 1)
        for number in range(4):
            broker.broker.publish("t", b"%d" % number, qos=1)
        first = await publishes(peer, 4)
        assert not any(each.dup for each in first)
        ids = [each.packet_id for each in first]
        assert len(set(ids)) == 4
        assert 0 not in ids
        await peer.send(Puback(ids[1]))
        # On this connection nothing is sent again.
        await peer.round_trip()
    await broker.ended("c")
    async with client(broker, "c", level, keep=True, present=True) as peer:
        again = await publishes(peer, 3)
        assert [(each.packet_id, each.payload, each.dup) for each in again] == [
            (ids[0], b"0", True), (ids[2], b"2", True), (ids[3], b"3", True),
        ]  # fmt: skip
        for each in again:
            await peer.send(Puback(each.packet_id))
        await peer.round_trip()
    broker.connections.clear()
    async with client(broker, "c", level, keep=True, present=True) as peer:
        await peer.round_trip()


@both
@clause311("MQTT-4.3.3-1", "MQTT-2.3.1-4", "MQTT-2.3.1-6", "MQTT-4.4.0-1")
@clause(
    "MQTT-4.3.3-1", "MQTT-4.3.3-2", "MQTT-4.3.3-3", "MQTT-4.3.3-4", "MQTT-4.3.3-5",
    "MQTT-4.3.3-6", "MQTT-4.4.0-1", "MQTT-2.2.1-5", "MQTT-3.6.2-1",
)  # fmt: skip
async def test_the_steps_of_qos_2_to_a_subscriber(broker: Running, level: int) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        await peer.subscribe("t", 2)
        broker.broker.publish("t", b"v", qos=2)
        first = await peer.expect(Publish)
        assert (first.qos, first.dup) == (2, False)
        assert first.packet_id
    await broker.ended("c")
    broker.connections.clear()
    async with client(broker, "c", level, keep=True, present=True) as peer:
        # Until PUBREC the message comes again, then PUBREL and never the message.
        again = await peer.expect(Publish)
        assert (again.packet_id, again.dup) == (first.packet_id, True)
        await peer.send(Pubrec(first.packet_id))
        assert await peer.receive() == Pubrel(first.packet_id)
        await peer.round_trip()
    await broker.ended("c")
    broker.connections.clear()
    async with client(broker, "c", level, keep=True, present=True) as peer:
        assert await peer.receive() == Pubrel(first.packet_id)
        await peer.round_trip()
        await peer.send(Pubcomp(first.packet_id))
        await peer.round_trip()
    await broker.ended("c")
    async with client(broker, "c", level, keep=True, present=True) as peer:
        await peer.round_trip()


@both
@clause311("MQTT-4.6.0-4")
@clause("MQTT-4.6.0-4")
async def test_releases_are_in_the_order_in_which_messages_were_received(
    broker: Running, level: int
) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        await peer.subscribe("t", 2)
        for number in range(4):
            broker.broker.publish("t", b"%d" % number, qos=2)
        ids = [each.packet_id for each in await publishes(peer, 4)]
        swapped = [ids[2], ids[0], ids[3], ids[1]]
        await peer.send(*(Pubrec(each) for each in swapped))
        assert await several(peer, 4) == [Pubrel(each) for each in swapped]
    await broker.ended("c")
    async with client(broker, "c", level, keep=True, present=True) as peer:
        assert await several(peer, 4) == [Pubrel(each) for each in swapped]


@both
@clause311("MQTT-4.6.0-5", "MQTT-4.6.0-6")
@clause("MQTT-4.6.0-5", "MQTT-4.6.0-6")
async def test_one_clients_messages_keep_their_order(broker: Running, level: int) -> None:
    async with client(broker, "sub", level) as sub, client(broker, "pub", level) as pub:
        await sub.subscribe("#", 2)
        for qos in (0, 1, 2):
            await pub.send(
                *(
                    Publish(f"t/{number % 2}", b"%d" % number, qos, packet_id=number if qos else 0)
                    for number in range(1, 41)
                )
            )
            got = [await sub.expect(Publish) for _ in range(40)]
            assert [each.payload for each in got] == [b"%d" % number for number in range(1, 41)]
            for each in got:
                if qos == 1:
                    await sub.send(Puback(each.packet_id))
                elif qos == 2:
                    await sub.send(Pubrec(each.packet_id), Pubcomp(each.packet_id))
            for _ in range(40 if qos == 2 else 0):
                await sub.expect(Pubrel)


@both
@clause311("MQTT-3.3.1-3")
@clause("MQTT-3.3.1-3")
async def test_dup_of_the_publisher_goes_no_further(broker: Running, level: int) -> None:
    async with client(broker, "sub", level) as sub, client(broker, "pub", level) as pub:
        await sub.subscribe("t", 2)
        for qos in (1, 2):
            await pub.send(Publish("t", b"v", qos, dup=True, packet_id=qos))
            assert not (await sub.expect(Publish)).dup


@both
@clause311("MQTT-3.8.4-6")
@clause("MQTT-3.8.4-8")
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_the_lower_qos_counts(
    broker: Running, level: int, published: int, granted: int
) -> None:
    async with client(broker, "sub", level) as sub:
        assert await sub.subscribe("t", granted) == granted
        broker.broker.publish("t", b"v", qos=published, retain=True)
        assert (await sub.expect(Publish)).qos == min(published, granted)
    async with client(broker, "late", level) as late:
        await late.subscribe("t", granted)
        assert (await late.expect(Publish)).qos == min(published, granted)


# -- retained ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("qos", [0, 1, 2])
@clause311(
    "MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-7", "MQTT-3.3.1-8", "MQTT-3.3.1-9",
    "MQTT-3.3.1-10", "MQTT-3.3.1-11", "MQTT-3.3.1-12",
)  # fmt: skip
@clause(
    "MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-7", "MQTT-3.3.1-8", "MQTT-3.3.1-9",
    "MQTT-3.3.1-12",
)  # fmt: skip
async def test_the_life_of_a_retained_message(broker: Running, level: int, qos: int) -> None:
    async def publish(payload: bytes, retain: bool) -> None:
        await pub.send(Publish("r", payload, qos, retain, packet_id=7 if qos else 0))
        if qos == 2:
            await pub.expect(Pubrec)
            await pub.send(Pubrel(7))
        if qos:
            await pub.receive()
        await pub.round_trip()

    async def retained() -> Publish | None:
        async with client(broker, "late", level) as late:
            await late.subscribe("r", 2)
            await late.send(Pingreq())
            got = await late.receive()
        await broker.ended("late")
        broker.connections.clear()
        return got if isinstance(got, Publish) else None

    async with client(broker, "pub", level) as pub, client(broker, "live", level) as live:
        await live.subscribe("r", 0)
        for payload, retain, then in (
            (b"first", True, b"first"),
            (b"second", True, b"second"),
            (b"passing", False, b"second"),
            (b"", False, b"second"),
            (b"", True, None),
            (b"", True, None),
        ):
            await publish(payload, retain)
            # Who was there gets all of them as they come, without RETAIN.
            heard = await live.expect(Publish)
            assert (heard.payload, heard.retain) == (payload, False)
            kept = await retained()
            assert (kept.payload if kept else None) == then
            if kept:
                assert (kept.qos, kept.retain, kept.dup) == (qos, True, False)
    assert broker.broker.totals().retained == 0


# -- MQTT 5: properties, expiry, aliases, flow -----------------------------------------------------


@clause(
    "MQTT-3.3.2-4", "MQTT-3.3.2-15", "MQTT-3.3.2-16", "MQTT-3.3.2-17", "MQTT-3.3.2-18",
    "MQTT-3.3.2-20", "MQTT-1.5.7-1",
)  # fmt: skip
@pytest.mark.parametrize("way", ["live", "queued", "retained"])
async def test_properties_arrive_as_they_were_sent(broker: Running, way: str) -> None:
    sent = Properties(
        payload_format=1, content_type="text/ü", response_topic="answers/me",
        correlation_data=b"\0\xff", user=(("b", "1"), ("a", ""), ("", "2"), ("b", "1")),
    )  # fmt: skip
    async with broker.client5("sub", session_expiry_s=60) as sub:
        await sub.subscribe("t", 1 | RETAIN_NEVER)
        if way != "live":
            await sub.send(Disconnect())
            await sub.closed()
        async with broker.client5("pub") as pub:
            await pub.send(Publish("t", b"v", 1, way == "retained", packet_id=1, properties=sent))
            await pub.expect(Puback)
        if way == "live":
            assert (await sub.expect(Publish)).properties == sent
    name = "sub" if way == "queued" else "late"
    async with broker.client5(name, clean=False, session_expiry_s=60) as late:
        if way == "retained":
            await late.subscribe("t", 1)
        if way != "live":
            assert (await late.expect(Publish)).properties == sent


@clause("MQTT-4.3.3-7", "MQTT-3.3.2-5", "MQTT-3.3.2-6")
async def test_expiry_counts_until_a_message_was_sent(broker: Running) -> None:
    async with broker.client5("sub", session_expiry_s=60, receive_maximum=1) as sub:
        await sub.subscribe("t", 2)
        async with broker.client5("pub") as pub:
            for number, expiry_s in ((1, 1), (2, 1), (3, 60)):
                lasts = Properties(message_expiry_s=expiry_s)
                await pub.send(
                    Publish("t", b"%d" % number, 1 + number % 2, False, False, number, lasts)
                )
                await pub.receive()
        first = await sub.expect(Publish)
        assert (first.payload, first.properties.message_expiry_s) == (b"1", 1)
        await asyncio.sleep(1.1)
    await broker.ended("sub")
    async with broker.client5("sub", clean=False, session_expiry_s=60, receive_maximum=1) as sub:
        # What was sent is completed; the second's time was over before its turn came.
        again = await sub.expect(Publish)
        assert (again.payload, again.dup, again.packet_id) == (b"1", True, first.packet_id)
        await sub.send(Pubrec(again.packet_id))
        assert await sub.receive() == Pubrel(again.packet_id)
        await sub.send(Pubcomp(again.packet_id))
        last = await sub.expect(Publish)
        assert last.payload == b"3"
        assert 50 < (last.properties.message_expiry_s or 0) < 60


@clause("MQTT-3.3.2-12", "MQTT-3.2.2-18")
async def test_every_alias_up_to_the_maximum_is_taken(broker: Running) -> None:
    async with broker.client5("sub") as sub, broker.client5("pub") as pub:
        await sub.subscribe("#")
        for alias in range(1, 33):
            named = Properties(topic_alias=alias)
            await pub.send(Publish(f"t/{alias}", b"", properties=named))
        for alias in range(32, 0, -1):
            await pub.send(Publish("", b"v", properties=Properties(topic_alias=alias)))
        got = await publishes(sub, 64)
        names = [f"t/{alias}" for alias in range(1, 33)]
        assert [each.topic for each in got] == names + names[::-1]


@clause("MQTT-3.3.2-7")
async def test_an_alias_ends_with_its_connection(broker: Running) -> None:
    aliased = Properties(topic_alias=1)
    async with broker.client5("c", session_expiry_s=60, topic_alias_maximum=1) as peer:
        await peer.subscribe("t")
        await peer.send(Publish("t", b"1", properties=aliased))
        assert (await peer.expect(Publish)).topic == "t"
    async with broker.client5("c", False, session_expiry_s=60, topic_alias_maximum=1) as peer:
        broker.broker.publish("t", b"2")
        # Ours is named again, and theirs is not known any more.
        assert (await peer.expect(Publish)).topic == "t"
        await peer.send(Publish("", b"3", properties=aliased))
        assert (await peer.expect(Disconnect)).reason == Reason.PROTOCOL_ERROR


@clause("MQTT-3.1.2-26", "MQTT-3.1.2-27", "MQTT-3.3.2-11", "MQTT-3.3.2-10", "MQTT-3.3.2-8")
@pytest.mark.parametrize("maximum", [None, 0, 1, 3])
async def test_no_alias_above_what_the_client_takes(broker: Running, maximum: int | None) -> None:
    wanted = Properties(topic_alias_maximum=maximum)
    async with broker.peer() as peer:
        await peer.connect(Connect("c", level=LEVEL_5, properties=wanted))
        await peer.subscribe("#")
        for topic in ("a", "b", "c", "d", "a", "d"):
            broker.broker.publish(topic, b"v")
        got = await publishes(peer, 6)
        aliases = {each.properties.topic_alias for each in got} - {None}
        assert aliases == set(range(1, (maximum or 0) + 1))
        assert [each.topic == "" for each in got[:4]] == [False] * 4
        assert (got[4].topic, got[5].topic) == ("" if maximum else "a", "d")


@clause("MQTT-3.3.4-9", "MQTT-3.3.4-10", "MQTT-4.9.0-1", "MQTT-4.9.0-2", "MQTT-4.9.0-3")
async def test_at_the_clients_receive_maximum_all_but_qos_1_and_2_goes_on(broker: Running) -> None:
    async with broker.client5("c", receive_maximum=2) as peer:
        await peer.subscribe("t", 2)
        for number in range(4):
            broker.broker.publish("t", b"%d" % number, qos=1 + number % 2)
        first, second = await publishes(peer, 2)
        broker.broker.publish("t", b"at once")
        assert (await peer.expect(Publish)).payload == b"at once"
        await peer.send(
            Publish("other", b"", 1, packet_id=1), Subscribe(2, (("another", 0),)), Pingreq()
        )
        kinds = {type(each) for each in await several(peer, 3)}
        assert kinds == {Puback, Suback, Pingresp}
        # QoS 2 holds its place until PUBCOMP.
        await peer.send(Pubrec(second.packet_id))
        assert await peer.receive() == Pubrel(second.packet_id)
        await peer.round_trip()
        await peer.send(Pubcomp(second.packet_id))
        third = await peer.expect(Publish)
        await peer.round_trip()
        await peer.send(Puback(first.packet_id))
        assert [third.payload, (await peer.expect(Publish)).payload] == [b"2", b"3"]


@clause("MQTT-3.3.4-7", "MQTT-3.3.4-8")
@pytest.mark.parametrize("qos", [1, 2])
async def test_who_sends_more_than_the_servers_receive_maximum_is_told(qos: int) -> None:
    async with running(local(unreleased=2)) as broker, broker.client5() as peer:
        broker.sink.held = True
        await peer.send(Publish("t", b"", qos, packet_id=1), Publish("t", b"", qos, packet_id=2))
        await peer.round_trip()
        await peer.send(Publish("t", b"", qos, packet_id=3))
        assert (await peer.expect(Disconnect)).reason == Reason.RECEIVE_MAXIMUM_EXCEEDED


@clause("MQTT-4.4.0-2")
async def test_a_negative_answer_ends_a_delivery(broker: Running) -> None:
    async with broker.client5("c", session_expiry_s=60) as peer:
        await peer.subscribe("t", 2)
        broker.broker.publish("t", b"1", qos=1)
        broker.broker.publish("t", b"2", qos=2)
        one, two = await publishes(peer, 2)
        await peer.send(
            Puback(one.packet_id, Reason.IMPLEMENTATION_SPECIFIC_ERROR),
            Pubrec(two.packet_id, Reason.QUOTA_EXCEEDED),
        )
        await peer.round_trip()
    await broker.ended("c")
    async with broker.client5("c", clean=False) as peer:
        await peer.round_trip()


@clause("MQTT-3.1.2-24", "MQTT-3.1.2-25", "MQTT-3.2.2-15")
async def test_a_message_too_large_for_its_subscriber_counts_as_sent(broker: Running) -> None:
    async with broker.client5("c", maximum_packet_bytes=30, receive_maximum=1) as peer:
        await peer.subscribe("t", 2)
        for qos in (0, 1, 2):
            # 2 bytes of header, 3 of topic, 2 of packet id, 1 of properties.
            overhead = 8 if qos else 6
            for size in (30 - overhead, 31 - overhead):
                broker.broker.publish("t", b"x" * size, qos=qos)
            got = await peer.expect(Publish)
            assert len(got.payload) == 30 - overhead
            if qos == 1:
                await peer.send(Puback(got.packet_id))
        await peer.send(Pubrec(got.packet_id))
        await peer.expect(Pubrel)
        await peer.send(Pubcomp(got.packet_id))
        await peer.round_trip()
        [report] = broker.broker.report().clients
        assert report.dropped == {"packet too large for the client": 3}
        assert report.level == LEVEL_5
