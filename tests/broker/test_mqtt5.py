"""What MQTT 5 adds, packet by packet."""

import asyncio
import socket

import pytest

from tests.broker.catalogue import Malformed
from tests.broker.catalogue5 import MALFORMED5, MALFORMED_CONNECTS5
from tests.broker.clauses import clause
from tests.broker.harness import Peer, Running, local, running
from tocsin.broker import Login
from tocsin.broker.codec import encode
from tocsin.broker.decoder import HEAD_BYTES
from tocsin.broker.packets import (
    LEVEL_5,
    NO_LOCAL,
    RETAIN_AS_PUBLISHED,
    RETAIN_IF_NEW,
    RETAIN_NEVER,
    Auth,
    Connack,
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
from tocsin.broker.properties import NO_PROPERTIES, Properties
from tocsin.broker.reasons import Reason
from tocsin.devices.credentials import Identity, Role


async def told(peer: Peer) -> int:
    """The reason of the DISCONNECT that the server sends before it closes."""
    reason = (await peer.expect(Disconnect)).reason
    await peer.closed()
    return reason


# -- CONNECT -------------------------------------------------------------------------------------


async def test_a_client_is_told_the_terms() -> None:
    async with running(local(keepalive_max_s=60, session_expiry_s=100)) as broker:
        async with broker.peer() as peer:
            answer = await peer.connect(
                Connect(
                    "", keepalive_s=0, level=5, properties=Properties(session_expiry_s=2**32 - 1)
                )
            )
            [client] = broker.broker.report().clients
        assert answer == Connack(
            Reason.SUCCESS,
            properties=Properties(
                session_expiry_s=100,
                assigned_client=client.id,
                server_keepalive_s=60,
                receive_maximum=16_384,
                topic_alias_maximum=32,
                maximum_packet_bytes=266_240,
            ),
        )
        assert (client.level, client.keepalive_s, client.session_expiry_s) == (5, 60, 100)


async def wrong(login: Login) -> Identity | None:
    return Identity(Role.OPERATOR, "olga") if login.password == b"right" else None


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Connect("c", level=5), Reason.NOT_AUTHORIZED),
        (Connect("c", username="u", password=b"", level=5), Reason.BAD_USER_NAME_OR_PASSWORD),
        (Connect("x" * 257, level=5), Reason.CLIENT_IDENTIFIER_NOT_VALID),
        (
            Connect("c", level=5, properties=Properties(authentication_method="SCRAM-SHA-1")),
            Reason.BAD_AUTHENTICATION_METHOD,
        ),
        (
            Connect("c", will=Will("tocsin/x", b""), password=b"right", level=5),
            Reason.NOT_AUTHORIZED,
        ),
    ],
)
async def test_refused(packet: Connect, reason: Reason) -> None:
    async with running(authenticate=wrong) as broker, broker.peer() as peer:
        assert await peer.connect(packet) == Connack(reason)
        await peer.closed()
        assert broker.broker.totals().sessions == 0


@pytest.mark.parametrize("case", MALFORMED_CONNECTS5, ids=lambda case: case.name)
async def test_a_malformed_connect_is_answered(broker: Running, case: Malformed) -> None:
    async with broker.peer() as peer:
        peer.level = LEVEL_5
        await peer.send(case.wire)
        assert (await peer.expect(Connack)).code in (0x81, 0x82)
        await peer.closed()


@pytest.mark.parametrize("case", MALFORMED5, ids=lambda case: case.name)
async def test_a_malformed_packet_is_told_and_closes(broker: Running, case: Malformed) -> None:
    async with broker.client5("bad") as bad:
        await bad.send(case.wire)
        assert 0x81 <= await told(bad) <= 0x94
    assert case.why in await broker.ended("bad")


# -- sessions ------------------------------------------------------------------------------------


async def test_a_session_lasts_as_long_as_the_client_asks(broker: Running) -> None:
    async with broker.client5(session_expiry_s=60) as peer:
        await peer.subscribe("t", 1)
    await broker.ended("c5")
    broker.broker.publish("t", b"kept", qos=1)
    async with broker.peer() as peer:
        answer = await peer.connect(Connect("c5", False, level=5))
        assert answer.session_present
        assert (await peer.expect(Publish)).payload == b"kept"
        # This connection asked for none: the session ends with it.
        await peer.send(Disconnect())
        await peer.closed()
    await broker.until("the session is over", lambda: not broker.broker.totals().sessions)


async def test_a_session_expires() -> None:
    async with running() as broker:
        async with broker.client5(session_expiry_s=1):
            pass
        await broker.ended("c5")
        assert broker.broker.totals().sessions == 1
        await broker.until("expiry", lambda: not broker.broker.totals().sessions)


async def test_disconnect_changes_the_expiry_but_cannot_begin_one(broker: Running) -> None:
    async with broker.client5(session_expiry_s=60) as peer:
        await peer.send(Disconnect(0, Properties(session_expiry_s=0)))
        await peer.closed()
    assert broker.broker.totals().sessions == 0
    async with broker.client5() as peer:
        await peer.send(Disconnect(0, Properties(session_expiry_s=60)))
        assert await told(peer) == Reason.PROTOCOL_ERROR


async def test_a_session_goes_on_with_the_other_version(broker: Running) -> None:
    async with broker.client("c", clean=False) as old:
        await old.subscribe("t", 1)
    await broker.ended("c")
    async with broker.peer() as peer:
        properties = Properties(session_expiry_s=60)
        connect = Connect("c", False, level=5, properties=properties)
        assert (await peer.connect(connect)).session_present
        broker.broker.publish("t", b"as 5", qos=0)
        broker.broker.publish("t", b"as 5", qos=1)
        for qos in (0, 1):
            got = await peer.expect(Publish)
            assert (got.payload, got.qos) == (b"as 5", qos)
    async with broker.client("c", clean=False) as old:
        assert (await old.expect(Publish)).dup
        broker.broker.publish("t", b"as 4", qos=0)
        assert (await old.expect(Publish)).payload == b"as 4"


@clause("MQTT-3.1.4-3")
async def test_takeover_is_told(broker: Running) -> None:
    async with broker.client5() as old, broker.client5():
        assert await told(old) == Reason.SESSION_TAKEN_OVER


async def test_keep_alive_timeout_and_stop_are_told(broker: Running) -> None:
    async with broker.peer() as silent, broker.client5("other") as other:
        await silent.connect(Connect("silent", keepalive_s=1, level=5))
        assert await told(silent) == Reason.KEEP_ALIVE_TIMEOUT
        await broker.broker.stop()
        assert await told(other) == Reason.SERVER_SHUTTING_DOWN


async def test_too_large_a_packet_is_told(broker: Running) -> None:
    async with broker.client5() as peer:
        await peer.send(b"\x30\xff\xff\xff\x7f" + bytes(HEAD_BYTES))
        assert await told(peer) == Reason.PACKET_TOO_LARGE


async def test_the_last_word_reaches_a_client_that_is_still_sending(broker: Running) -> None:
    async with broker.client5() as peer:
        await peer.send(b"\x30\xff\xff\xff\x7f")
        # A server that closed by now would answer this with a reset, and the reason is lost.
        for _ in range(20):
            await peer.send(b"x" * 10_000)
            await asyncio.sleep(0.005)
        assert await told(peer) == Reason.PACKET_TOO_LARGE


async def test_who_closes_behind_a_malformed_packet_ends_for_the_packet(broker: Running) -> None:
    """Its bytes are still read: only the last word cannot be said any more."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", broker.port)) as sock:
        sock.setblocking(False)
        await loop.sock_sendall(sock, encode(Connect("c5", level=5)))
        assert (await loop.sock_recv(sock, 100))[0] == 0x20
        # And closes, before the loop looks at the other end.
        sock.send(b"\x36\0")
    assert (await broker.ended("c5")).startswith("malformed packet: QoS is 3")


async def test_auth_is_refused(broker: Running) -> None:
    async with broker.client5() as peer:
        await peer.send(Auth(0x18, Properties(authentication_method="m")))
        assert await told(peer) == Reason.PROTOCOL_ERROR


# -- wills ---------------------------------------------------------------------------------------


def delayed(delay_s: int) -> Will:
    return Will("w", b"gone", properties=Properties(will_delay_s=delay_s, content_type="t"))


async def test_a_will_waits_for_its_delay(broker: Running) -> None:
    async with broker.client5("watch") as watch:
        await watch.subscribe("w")
        async with broker.client5("c", will=delayed(1), session_expiry_s=60):
            pass
        await broker.ended("c")
        await watch.round_trip()
        got = await watch.expect(Publish)
        assert (got.payload, got.properties) == (b"gone", Properties(content_type="t"))


@clause("MQTT-3.1.3-9")
async def test_a_will_is_withdrawn_when_the_client_is_back(broker: Running) -> None:
    async with broker.client5("c", will=delayed(1), session_expiry_s=60):
        pass
    await broker.ended("c")
    async with broker.client5("c", clean=False, session_expiry_s=60) as peer:
        await peer.subscribe("w")
        await asyncio.sleep(1.6)
        await peer.round_trip()
    assert broker.sink.messages == []


@pytest.mark.parametrize("expiry_s", [0, 60])
async def test_a_will_waits_no_longer_than_its_session(broker: Running, expiry_s: int) -> None:
    async with broker.client5("c", will=delayed(50), session_expiry_s=expiry_s):
        pass
    await broker.ended("c")
    async with broker.client5("c", clean=True):
        await broker.until("the will", lambda: broker.sink.payloads == [b"gone"])


async def test_disconnect_can_ask_for_the_will(broker: Running) -> None:
    async with broker.client5("c", will=Will("w", b"gone")) as peer:
        await peer.send(Disconnect(Reason.DISCONNECT_WITH_WILL))
        await peer.closed()
    assert await broker.ended("c") == "clean"
    assert broker.sink.payloads == [b"gone"]


# -- publishing ----------------------------------------------------------------------------------


async def test_refused_publishes_are_answered_in_their_place(broker: Running) -> None:
    async with broker.client5() as peer:
        await peer.send(
            Publish("t", b"", 1, packet_id=1),
            Publish("$SYS/x", b"", 1, packet_id=2),
            Publish("t", b"", 1, packet_id=3),
            Publish("$SYS/x", b"", 2, packet_id=4),
        )
        got = [await peer.receive() for _ in range(4)]
        assert got == [Puback(1), Puback(2, 0x87), Puback(3), Pubrec(4, 0x87)]
        # A refused id is free, and was never kept.
        await peer.send(Publish("t", b"", 2, packet_id=4))
        assert await peer.receive() == Pubrec(4)
    assert len(broker.sink.messages) == 3


async def test_unknown_packet_ids_are_named(broker: Running) -> None:
    async with broker.client5() as peer:
        await peer.send(Pubrel(9), Pubrec(9))
        assert await peer.receive() == Pubcomp(9, 0x92)
        assert await peer.receive() == Pubrel(9, 0x92)


async def test_properties_are_passed_on_in_order(broker: Running) -> None:
    sent = Properties(
        payload_format=1,
        content_type="text/plain",
        response_topic="answers/me",
        correlation_data=b"\0\xff",
        user=(("b", "1"), ("a", "2"), ("b", "3")),
    )
    async with broker.client5("sub") as sub, broker.client("old") as old:
        await sub.subscribe("t", 2)
        await old.subscribe("t", 2)
        async with broker.client5("pub") as pub:
            for qos in (0, 1, 2):
                await pub.send(Publish("t", b"v", qos, packet_id=qos, properties=sent))
                assert (await sub.expect(Publish)).properties == sent
                assert (await old.expect(Publish)).payload == b"v"
    stored = {message.properties for message in broker.sink.messages}
    assert len(stored) == 1
    assert None not in stored


async def test_messages_expire_while_they_wait_and_count_down(broker: Running) -> None:
    async with broker.client5("sub", session_expiry_s=60) as sub:
        await sub.subscribe("t", 1)
    await broker.ended("sub")
    async with broker.client5("pub") as pub:
        for number, expiry_s in enumerate((1, 60, None), 1):
            properties = Properties(message_expiry_s=expiry_s)
            await pub.send(Publish("t", b"%d" % number, 1, True, False, number, properties))
            await pub.expect(Puback)
    await asyncio.sleep(1.2)
    async with broker.client5("sub", clean=False) as sub:
        first, second = await sub.expect(Publish), await sub.expect(Publish)
        assert (first.payload, second.payload) == (b"2", b"3")
        assert 50 < (first.properties.message_expiry_s or 0) < 60
        assert second.properties == NO_PROPERTIES
        await sub.round_trip()
    [report] = [each for each in broker.broker.report().clients if each.id == "sub"]
    assert report.dropped == {"expired": 1}


async def test_retained_messages_expire(broker: Running) -> None:
    async with broker.client5() as peer:
        for topic, expiry_s in (("t/1", 1), ("t/2", 60)):
            properties = Properties(message_expiry_s=expiry_s)
            await peer.send(Publish(topic, b"v", retain=True, properties=properties))
        await peer.round_trip()
        assert broker.broker.totals().retained == 2
        await broker.until("expiry", lambda: broker.broker.totals().retained == 1)
        await peer.subscribe("t/#")
        got = await peer.expect(Publish)
        assert (got.topic, got.retain) == ("t/2", True)
        assert (got.properties.message_expiry_s or 0) < 60


async def test_aliases_to_the_client_are_its_own_choice(broker: Running) -> None:
    async with broker.client5("sub", topic_alias_maximum=1) as sub:
        await sub.subscribe("#")
        for topic in ("a", "a", "b", "a"):
            broker.broker.publish(topic, b"v")
        got = [await sub.expect(Publish) for _ in range(4)]
    assert [(each.topic, each.properties.topic_alias) for each in got] == [
        ("a", 1), ("", 1), ("b", None), ("", 1),
    ]  # fmt: skip


# -- flow ----------------------------------------------------------------------------------------


async def test_no_more_is_sent_than_the_client_takes_at_a_time(broker: Running) -> None:
    async with broker.client5("sub", receive_maximum=2) as sub:
        await sub.subscribe("t", 2)
        for number in range(4):
            broker.broker.publish("t", b"%d" % number, qos=1 + number % 2)
        first, second = await sub.expect(Publish), await sub.expect(Publish)
        await sub.round_trip()
        await sub.send(Puback(first.packet_id))
        third = await sub.expect(Publish)
        await sub.round_trip()
        # A refusal ends a delivery too.
        await sub.send(Pubrec(second.packet_id, Reason.QUOTA_EXCEEDED))
        fourth = await sub.expect(Publish)
        assert [each.payload for each in (first, second, third, fourth)] == [b"0", b"1", b"2", b"3"]
        await sub.round_trip()


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_client_that_sends_more_than_it_was_told_is_disconnected(qos: int) -> None:
    async with running(local(unreleased=2)) as broker, broker.client5() as peer:
        broker.sink.held = True
        for number in (1, 2):
            await peer.send(Publish("t", b"", qos, packet_id=number))
        await peer.round_trip()
        await peer.send(Publish("t", b"", qos, packet_id=3))
        assert await told(peer) == Reason.RECEIVE_MAXIMUM_EXCEEDED


async def test_acknowledged_messages_do_not_count(broker: Running) -> None:
    async with running(local(unreleased=2)) as small, small.client5() as peer:
        for number in range(1, 20):
            await peer.send(Publish("t", b"", 1, packet_id=number))
            assert await peer.receive() == Puback(number)


async def test_what_is_too_large_for_the_client_is_dropped(broker: Running) -> None:
    async with broker.client5("sub", maximum_packet_bytes=50) as sub:
        await sub.subscribe("t", 1)
        for qos in (0, 1):
            broker.broker.publish("t", b"x" * 100, qos=qos)
            broker.broker.publish("t", b"small", qos=qos)
        assert [(await sub.expect(Publish)).payload for _ in range(2)] == [b"small"] * 2
        await sub.round_trip()
        [report] = broker.broker.report().clients
        assert report.dropped == {"packet too large for the client": 2}


# -- subscriptions -------------------------------------------------------------------------------


async def test_no_local(broker: Running) -> None:
    async with broker.client5("a") as one, broker.client5("b") as other:
        await one.subscribe("t", NO_LOCAL)
        await other.send(Publish("t", b"other"))
        assert (await one.expect(Publish)).payload == b"other"
        await one.send(Publish("t", b"own"))
        await one.round_trip()
        # Another of its subscriptions that wants it gets it, without the first one's part.
        await one.subscribe("+", 0, Properties(subscription_ids=(7,)))
        await one.send(Publish("t", b"own"))
        assert (await one.expect(Publish)).properties.subscription_ids == (7,)


async def test_retain_as_published(broker: Running) -> None:
    async with broker.client5("keeps") as keeps, broker.client5("clears") as clears:
        await keeps.subscribe("t", RETAIN_AS_PUBLISHED)
        await clears.subscribe("t")
        broker.broker.publish("t", b"v", retain=True)
        assert (await keeps.expect(Publish)).retain
        assert not (await clears.expect(Publish)).retain


@pytest.mark.parametrize(
    ("options", "at_first", "again"),
    [(0, True, True), (RETAIN_IF_NEW, True, False), (RETAIN_NEVER, False, False)],
)
async def test_retain_handling(broker: Running, options: int, at_first: bool, again: bool) -> None:
    broker.broker.publish("t", b"kept", retain=True)
    async with broker.client5() as peer:
        for wanted in (at_first, again):
            await peer.subscribe("t", options, Properties(subscription_ids=(3,)))
            if wanted:
                got = await peer.expect(Publish)
                assert (got.retain, got.properties.subscription_ids) == (True, (3,))
            await peer.round_trip()


async def test_overlapping_subscriptions_are_one_delivery_with_all_identifiers(
    broker: Running,
) -> None:
    async with broker.client5() as peer:
        await peer.subscribe("a/+", 0, Properties(subscription_ids=(1,)))
        await peer.subscribe("a/b", 1, Properties(subscription_ids=(300,)))
        broker.broker.publish("a/b", b"v", qos=1)
        got = await peer.expect(Publish)
        assert (got.qos, set(got.properties.subscription_ids)) == (1, {1, 300})
        await peer.round_trip()


async def test_answers_to_subscribe_and_unsubscribe(broker: Running) -> None:
    async with running(authenticate=device) as guarded, guarded.client5() as peer:
        await peer.send(Subscribe(1, (("devices/d1/commands/#", 1), ("other", 0), ("$share/g", 0))))
        answer = await peer.expect(Suback)
        assert answer.codes == (1, Reason.NOT_AUTHORIZED, Reason.TOPIC_FILTER_INVALID)
        assert "not allowed: subscribe to 'other'" in (answer.properties.reason_string or "")
        # The inner filter of a shared one decides.
        await peer.send(
            Subscribe(2, (("$share/g/devices/d1/commands/x", 1), ("$share/g/other", 1)))
        )
        assert (await peer.expect(Suback)).codes == (1, Reason.NOT_AUTHORIZED)
        await peer.send(Unsubscribe(3, ("devices/d1/commands/#", "never")))
        assert await peer.receive() == Unsuback(3, (0, Reason.NO_SUBSCRIPTION_EXISTED))


async def device(login: Login) -> Identity | None:
    return Identity(Role.DEVICE, "d1", "d1")


async def test_no_reasons_in_words_for_who_does_not_want_them() -> None:
    async with running(authenticate=device) as broker:
        async with broker.client5(request_problem_information=0) as peer:
            await peer.send(Subscribe(1, (("other", 0),)))
            assert await peer.receive() == Suback(1, (Reason.NOT_AUTHORIZED,))


# -- shared subscriptions ------------------------------------------------------------------------


async def test_members_of_a_group_take_turns(broker: Running) -> None:
    broker.broker.publish("t/0", b"kept", retain=True)
    async with (
        broker.client5("a") as one,
        broker.client("b") as two,
        broker.client5("all") as everything,
    ):
        for member in (one, two):
            assert await member.subscribe("$share/g/t/#", 1) == 1
        await everything.subscribe("t/#", 1 | RETAIN_NEVER)
        for number in range(6):
            broker.broker.publish("t/x", b"%d" % number, qos=1)
        for member, numbers in ((one, (0, 2, 4)), (two, (1, 3, 5)), (everything, range(6))):
            for number in numbers:
                assert (await member.expect(Publish)).payload == b"%d" % number
            await member.round_trip()


async def test_a_member_that_is_away_is_passed_over_while_another_is_there(
    broker: Running,
) -> None:
    async with broker.client5("away", session_expiry_s=60) as away:
        await away.subscribe("$share/g/t", 1)
    await broker.ended("away")
    async with broker.client5("here") as here:
        await here.subscribe("$share/g/t", 1)
        for number in range(4):
            broker.broker.publish("t", b"%d" % number, qos=1)
            assert (await here.expect(Publish)).payload == b"%d" % number
        await here.send(Unsubscribe(2, ("$share/g/t",)))
        await here.expect(Unsuback)
    # Nobody is there: it waits for who comes back.
    broker.broker.publish("t", b"waits", qos=1)
    async with broker.client5("away", clean=False) as away:
        assert (await away.expect(Publish)).payload == b"waits"
        await away.round_trip()
    await broker.until("sessions are over", lambda: not broker.broker.totals().sessions)
    assert broker.broker.totals().subscriptions == 0


async def test_groups_are_apart(broker: Running) -> None:
    async with broker.client5() as peer:
        await peer.subscribe("$share/g/t")
        await peer.subscribe("$share/h/t")
        await peer.subscribe("t")
        broker.broker.publish("t", b"v")
        for _ in range(3):
            assert (await peer.expect(Publish)).payload == b"v"
        await peer.round_trip()
        assert broker.broker.totals().subscriptions == 3
