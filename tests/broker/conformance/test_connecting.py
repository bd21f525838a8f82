"""CONNECT and CONNACK (3.1, 3.2): sessions, wills, client ids, what is told."""

import asyncio
import string

import pytest

from tests.broker.clauses import clause, clause311
from tests.broker.conformance.peers import both, client, connect, rest
from tests.broker.harness import Running, local, running
from tocsin.broker import Login
from tocsin.broker.packets import (
    LEVEL_5,
    LEVEL_311,
    RETAIN_NEVER,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Will,
)
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import Reason
from tocsin.devices.credentials import Identity


async def nobody(login: Login) -> Identity | None:
    return None


# -- the answer ----------------------------------------------------------------------------------


@both
@clause311("MQTT-3.2.0-1", "MQTT-3.1.4-4", "MQTT-3.2.2-3", "MQTT-3.2.2-2", "MQTT-3.1.2-4")
@clause("MQTT-3.2.0-1", "MQTT-3.2.0-2", "MQTT-3.1.4-5", "MQTT-3.2.2-3", "MQTT-3.1.2-6")
async def test_connack_comes_first_and_once(broker: Running, level: int) -> None:
    async with client(broker, "c", level, keep=True, present=False) as peer:
        await peer.subscribe("t", 1)
    await broker.ended("c")
    broker.broker.publish("t", b"waiting", qos=1)
    async with broker.peer() as peer:
        peer.level = level
        await peer.send(connect("c", level, keep=True))
        first = await peer.expect(Connack)
        assert (first.code, first.session_present) == (0, True)
        assert (await peer.expect(Publish)).payload == b"waiting"
        await peer.round_trip()


@both
@clause311(
    "MQTT-3.1.2-4", "MQTT-3.1.2-5", "MQTT-3.2.2-2", "MQTT-3.1.3-2",
    "MQTT-4.1.0-1", "MQTT-4.1.0-2", "MQTT-4.5.0-1",
)  # fmt: skip
@clause(
    "MQTT-3.1.2-5", "MQTT-3.1.2-23", "MQTT-3.2.2-3", "MQTT-3.1.3-2", "MQTT-4.1.0-1", "MQTT-4.5.0-1"
)
async def test_a_session_goes_on(broker: Running, level: int) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        await peer.subscribe("t/#", 2)
    await broker.ended("c")
    async with client(broker, "pub", level) as pub:
        for qos in (1, 2):
            await pub.send(Publish("t/x", b"%d" % qos, qos, packet_id=qos))
            await pub.receive()
    # A session belongs to its client id.
    async with client(broker, "other", level, keep=True, present=False) as other:
        await other.round_trip()
    async with client(broker, "c", level, keep=True, present=True) as peer:
        got = [await peer.expect(Publish) for _ in range(2)]
        assert [(each.payload, each.qos) for each in got] == [(b"1", 1), (b"2", 2)]
        broker.broker.publish("t/y", b"still subscribed")
        assert (await peer.expect(Publish)).payload == b"still subscribed"


@both
@clause311("MQTT-3.1.2-6", "MQTT-3.1.4-3", "MQTT-3.2.2-1", "MQTT-3.1.2-7")
@clause("MQTT-3.1.2-4", "MQTT-3.1.4-4", "MQTT-3.2.2-2")
async def test_a_clean_one_discards_what_was(broker: Running, level: int) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        await peer.subscribe("t", 1)
        await peer.send(Publish("kept", b"by the server", retain=True))
        await peer.round_trip()
    await broker.ended("c")
    broker.broker.publish("t", b"for the old one", qos=1)
    async with client(broker, "c", level, present=False) as peer:
        broker.broker.publish("t", b"not subscribed", qos=1)
        await peer.round_trip()
    await broker.until("the session is over", lambda: not broker.broker.totals().sessions)
    async with client(broker, "c", level, keep=True, present=False) as peer:
        # Retained messages are no part of a session.
        await peer.subscribe("kept")
        assert (await peer.expect(Publish)).payload == b"by the server"


@clause("MQTT-4.1.0-2", "MQTT-3.1.2-23")
async def test_a_session_ends_with_its_expiry(broker: Running) -> None:
    async with broker.client5("c", session_expiry_s=1) as peer:
        await peer.subscribe("t", 1)
    await broker.ended("c")
    assert broker.broker.totals().subscriptions == 1
    await broker.until("its expiry", lambda: not broker.broker.totals().subscriptions)
    async with client(broker, "c", LEVEL_5, keep=True, present=False) as peer:
        await peer.round_trip()


@clause("MQTT-3.1.2-24", "MQTT-3.2.2-19", "MQTT-3.2.2-20")
async def test_a_client_that_takes_no_connack_gets_none(broker: Running) -> None:
    will = Will("w", b"gone")
    async with broker.peer() as peer:
        await peer.send(
            Connect("c", will=will, level=5, properties=Properties(maximum_packet_bytes=18))
        )
        assert await rest(peer) == b""
    assert await broker.ended("c") == "CONNACK has 19 bytes; the client takes 18"
    assert broker.sink.messages == []
    async with broker.peer() as peer:
        wanted = Properties(maximum_packet_bytes=19)
        assert (await peer.connect(Connect("c", level=5, properties=wanted))).code == 0
        await peer.round_trip()


@clause("MQTT-3.2.2-9", "MQTT-3.2.2-10", "MQTT-3.2.2-12", "MQTT-3.2.2-13")
@clause311("MQTT-3.8.3-2")
async def test_nothing_of_the_standard_is_missing(broker: Running) -> None:
    """QoS 2, retained messages, wildcards, identifiers, shared ones: so CONNACK denies none."""
    will = Will("w", b"gone", 2, retain=True)
    async with broker.peer() as peer:
        answer = await peer.connect(Connect("c", will=will, level=5))
        told = answer.properties
        assert answer.code == 0
        assert told.maximum_qos is told.retain_available is told.wildcards_available is None
        assert told.subscription_ids_available is told.shared_available is None
        with_id = Properties(subscription_ids=(1,))
        await peer.send(Subscribe(1, (("a/+", 0), ("b/#", 1), ("$share/g/c", 2)), with_id))
        assert (await peer.expect(Suback)).codes == (0, 1, 2)
    async with client(broker, "late", LEVEL_311) as late:
        await broker.until("the will", lambda: broker.sink.messages)
        await late.subscribe("w", 2)
        got = await late.expect(Publish)
        assert (got.qos, got.retain) == (2, True)


@clause("MQTT-3.1.2-28", "MQTT-4.12.0-2", "MQTT-4.12.0-5", "MQTT-4.12.0-6")
async def test_no_response_information_and_no_method_is_told(broker: Running) -> None:
    for wanted in (0, 1, None):
        async with broker.peer() as peer:
            asked = Properties(request_response_information=wanted)
            told = (await peer.connect(Connect("c", level=5, properties=asked))).properties
            assert told.response_information is told.server_reference is None
            assert told.authentication_method is told.authentication_data is None
            await peer.round_trip()


@clause(
    "MQTT-4.12.0-1", "MQTT-4.12.0-4", "MQTT-3.14.0-1", "MQTT-3.2.2-6", "MQTT-3.2.2-7",
    "MQTT-3.2.2-8", "MQTT-4.13.2-1", "MQTT-3.1.2-30",
)  # fmt: skip
async def test_an_authentication_method_is_refused(broker: Running) -> None:
    """With CONNACK alone: nobody has an AUTH or a DISCONNECT before it was let in."""
    async with broker.peer() as peer:
        method = Properties(authentication_method="SCRAM-SHA-1", authentication_data=b"x")
        await peer.send(Connect("c", level=5, properties=method))
        assert await rest(peer) == b"\x20\3\0\x8c\0"


@clause(
    "MQTT-4.12.1-1", "MQTT-4.12.1-2", "MQTT-3.15.2-1", "MQTT-3.15.2-2", "MQTT-3.15.2-3",
    "MQTT-4.12.0-3",
)  # fmt: skip
async def test_authenticating_again_closes_and_no_auth_is_ever_sent(broker: Running) -> None:
    async with broker.client5() as peer:
        peer.level = LEVEL_5
        await peer.send(Auth(0x19, Properties(authentication_method="SCRAM-SHA-1")))
        said = await rest(peer)
    assert (said[0], said[2]) == (0xE0, Reason.PROTOCOL_ERROR)


# -- who is refused ------------------------------------------------------------------------------


@both
@clause311("MQTT-3.2.2-4", "MQTT-3.2.2-5", "MQTT-3.1.4-5")
@clause("MQTT-3.2.2-6", "MQTT-3.2.2-7", "MQTT-3.1.4-2", "MQTT-3.1.4-6", "MQTT-3.14.0-1")
async def test_who_is_refused_gets_one_word_and_nothing_else_is_taken(level: int) -> None:
    async with running(authenticate=nobody) as broker, broker.peer() as peer:
        peer.level = level
        await peer.send(connect("c", level), Publish("t", b"v", 1, packet_id=1), b"\xc0\0")
        code = Reason.NOT_AUTHORIZED if level == LEVEL_5 else 5
        assert await rest(peer) == bytes((0x20, 3 if level == LEVEL_5 else 2, 0, code)) + (
            b"\0" if level == LEVEL_5 else b""
        )
        assert broker.sink.messages == []


@both
@clause311("MQTT-3.1.3-9", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
@clause("MQTT-3.1.3-8", "MQTT-3.2.2-6", "MQTT-3.2.2-7", "MQTT-3.2.2-8")
async def test_a_client_id_that_is_refused(broker: Running, level: int) -> None:
    async with broker.peer() as peer:
        answer = await peer.connect(connect("x" * 257, level))
        assert answer.code == (0x85 if level == LEVEL_5 else 2)
        assert not answer.session_present
        await peer.closed()


@both
@clause311("MQTT-3.1.3-5")
@clause("MQTT-3.1.3-5")
async def test_client_ids_of_letters_and_digits(broker: Running, level: int) -> None:
    letters = string.digits + string.ascii_letters
    for size in (1, 2, 22, 23):
        for start in range(0, len(letters), 23):
            name = (letters[start:] + letters)[:size]
            async with client(broker, name, level) as peer:
                await peer.round_trip()


@clause("MQTT-3.1.3-6", "MQTT-3.1.3-7", "MQTT-3.2.2-16")
@pytest.mark.parametrize("fresh", [True, False])
async def test_an_empty_client_id_gets_one(broker: Running, fresh: bool) -> None:
    async with broker.peer() as first, broker.peer() as second:
        kept = Properties(session_expiry_s=60)
        names = [
            (await peer.connect(Connect("", fresh, level=5, properties=kept))).properties
            for peer in (first, second)
        ]
        one, two = (each.assigned_client for each in names)
        assert one
        assert two
        assert one != two
        await first.subscribe("t", 1)
    await broker.ended(one)
    broker.broker.publish("t", b"kept", qos=1)
    async with client(broker, one, LEVEL_5, keep=True, present=True) as peer:
        assert (await peer.expect(Publish)).payload == b"kept"


@clause311("MQTT-3.1.3-6", "MQTT-3.1.3-7", "MQTT-3.1.3-8")
async def test_an_empty_client_id_of_3_1_1_goes_with_a_clean_session(broker: Running) -> None:
    async with broker.peer() as first, broker.peer() as second:
        for peer in (first, second):
            assert await peer.connect(Connect("", clean=True)) == Connack()
        assert len({each.id for each in broker.broker.report().clients}) == 2
    async with broker.peer() as peer:
        assert (await peer.connect(Connect("", clean=False))).code == 2
        await peer.closed()


@both
@clause311("MQTT-3.1.4-2")
@clause("MQTT-3.1.4-3", "MQTT-3.14.2-2", "MQTT-3.14.4-1", "MQTT-3.14.4-2")
async def test_a_second_connection_closes_the_first(broker: Running, level: int) -> None:
    async with client(broker, "c", level) as first, client(broker, "c", level) as second:
        said = await rest(first)
        if level == LEVEL_5:
            assert said[0] == 0xE0
            assert said[2] == Reason.SESSION_TAKEN_OVER
            assert len(said) == 2 + said[1], "nothing behind DISCONNECT"
            assert said[4] == 0x1F, "a reason string, and no session expiry"
        else:
            assert said == b""
        await second.round_trip()


@both
@clause311("MQTT-3.1.2-24", "MQTT-3.1.2-23")
@clause("MQTT-3.1.2-22", "MQTT-3.2.2-22", "MQTT-3.1.2-20")
async def test_silence_for_one_and_a_half_keep_alives(broker: Running, level: int) -> None:
    loop = asyncio.get_running_loop()
    async with broker.peer() as silent, broker.peer() as pinging:
        answers = [
            await silent.connect(Connect("silent", keepalive_s=1, level=level)),
            await pinging.connect(Connect("pinging", keepalive_s=1, level=level)),
        ]
        began = loop.time()
        assert [each.properties.server_keepalive_s for each in answers] == [None, None]

        async def ping() -> None:
            while True:
                await pinging.round_trip()
                await asyncio.sleep(0.5)

        pings = asyncio.create_task(ping())
        await silent.closed()
        assert 1.4 <= loop.time() - began < 3
        assert not pings.done()
        pings.cancel()
        await asyncio.wait([pings])


@clause("MQTT-3.1.2-21", "MQTT-3.2.2-21")
async def test_server_keep_alive_counts_where_it_is_told() -> None:
    async with running(local(keepalive_max_s=1)) as broker, broker.peer() as peer:
        answer = await peer.connect(Connect("c", keepalive_s=600, level=5))
        assert answer.properties.server_keepalive_s == 1
        assert (await peer.expect(Disconnect)).reason == Reason.KEEP_ALIVE_TIMEOUT


# -- wills ---------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("retain", [False, True])
@clause311("MQTT-3.1.2-8", "MQTT-3.1.2-16", "MQTT-3.1.2-17", "MQTT-3.1.2-10", "MQTT-3.1.2-12")
@clause("MQTT-3.1.2-7", "MQTT-3.1.2-8", "MQTT-3.1.2-14", "MQTT-3.1.2-15", "MQTT-3.1.2-10")
async def test_a_will_is_published_once_and_retained_if_it_asks(
    broker: Running, level: int, retain: bool
) -> None:
    will = Will("wills/c", b"gone", 1, retain)
    async with client(broker, "watch", level) as watch:
        await watch.subscribe("wills/#", 1 | (RETAIN_NEVER if level == LEVEL_5 else 0))
        async with client(broker, "c", level, will=will):
            pass
        got = await watch.expect(Publish)
        assert (got.topic, got.payload, got.qos, got.retain) == ("wills/c", b"gone", 1, False)
        await watch.send(Puback(got.packet_id))
        await broker.ended("c")
        # The next connection leaves none, and nothing is published at its end.
        broker.connections.clear()
        async with client(broker, "c", level):
            pass
        await broker.ended("c")
        await watch.round_trip()
    async with client(broker, "late", level) as late:
        await late.subscribe("wills/#", 1)
        if retain:
            got = await late.expect(Publish)
            assert (got.payload, got.retain) == (b"gone", True)
        await late.round_trip()


@both
@clause311("MQTT-3.1.2-10", "MQTT-3.14.4-3", "MQTT-3.14.4-1", "MQTT-3.14.4-2")
@clause("MQTT-3.1.2-8", "MQTT-3.1.2-10", "MQTT-3.14.4-3", "MQTT-3.14.4-1")
async def test_disconnect_takes_the_will_back(broker: Running, level: int) -> None:
    async with client(broker, "c", level, will=Will("w", b"gone")) as peer:
        # The server closes, and takes nothing that comes behind it.
        await peer.send(Disconnect(), Publish("t", b"behind"))
        await peer.closed()
    assert await broker.ended("c") == "clean"
    assert broker.sink.messages == []


@clause("MQTT-3.1.3-10")
async def test_what_a_will_says_beside_its_payload(broker: Running) -> None:
    extras = Properties(
        user=(("b", "1"), ("a", "2"), ("b", "3")), content_type="text/plain", payload_format=1,
        response_topic="r", correlation_data=b"c", will_delay_s=0,
    )  # fmt: skip
    async with broker.client5("watch") as watch:
        await watch.subscribe("w", 1)
        async with broker.client5("c", will=Will("w", b"gone", 1, properties=extras)):
            pass
        got = await watch.expect(Publish)
        assert got.properties.user == extras.user
        assert (got.properties.content_type, got.properties.response_topic) == ("text/plain", "r")
        assert got.properties.will_delay_s is None


@clause("MQTT-3.1.2-29")
async def test_who_wants_no_words_gets_them_in_connack_publish_and_disconnect_only() -> None:
    async with running() as broker:
        async with broker.client5(request_problem_information=0) as peer:
            await peer.send(
                Subscribe(1, (("$share/g", 0),)),
                Publish("$SYS/x", b"", 1, packet_id=2),
                Publish("$SYS/x", b"", 2, packet_id=3),
            )
            kinds: set[type] = set()
            while len(kinds) < 3:
                packet = await peer.receive()
                kinds.add(type(packet))
                told = getattr(packet, "properties", Properties())
                assert (told.reason_string, told.user) == (None, ())
            await peer.send(b"\x36\0")
            assert (await peer.expect(Disconnect)).properties.reason_string
