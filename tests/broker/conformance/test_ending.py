"""PINGREQ, DISCONNECT and errors (3.12, 3.14, 4.8 of 3.1.1, 4.13 of 5)."""

import pytest

from tests.broker.clauses import clause, clause311
from tests.broker.conformance.peers import both, client, rest
from tests.broker.harness import Running
from tocsin.broker.packets import LEVEL_5, Disconnect, Pingreq, Pingresp, Publish
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import Reason


@both
@clause311("MQTT-3.12.4-1")
@clause("MQTT-3.12.4-1")
async def test_each_ping_is_answered(broker: Running, level: int) -> None:
    async with client(broker, "c", level) as peer:
        await peer.send(*[Pingreq()] * 3)
        assert [await peer.receive() for _ in range(3)] == [Pingresp()] * 3


@both
@clause311("MQTT-4.8.0-2")
@clause("MQTT-4.13.2-1")
async def test_where_we_fail_the_connection_is_closed(broker: Running, level: int) -> None:
    async with client(broker, "c", level) as peer:
        broker.sink.error = OSError("no space left on device")
        await peer.send(Publish("t", b"v", 1, packet_id=1))
        said = await rest(peer)
        broker.sink.error = None
        if level == LEVEL_5:
            assert (said[0], said[2]) == (0xE0, Reason.IMPLEMENTATION_SPECIFIC_ERROR)
        else:
            assert said == b""


@clause("MQTT-3.14.2-1", "MQTT-3.14.2-2", "MQTT-3.14.4-1", "MQTT-3.14.4-2", "MQTT-4.13.1-1")
@clause("MQTT-4.13.2-1", "MQTT-3.14.1-1")
@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x36\0", Reason.MALFORMED_PACKET),
        (b"\xe1\0", Reason.MALFORMED_PACKET),
        (b"\xf0\0", Reason.PROTOCOL_ERROR),
        (b"\x82\6\0\1\0\0\1a", Reason.MALFORMED_PACKET),
        (b"\x82\7\0\1\0\0\1#\x30", Reason.PROTOCOL_ERROR),
        (b"\x30\4\0\1+\0", Reason.TOPIC_NAME_INVALID),
        (b"\x30\7\0\1a\3\x23\0\0", Reason.TOPIC_ALIAS_INVALID),
    ],
)
async def test_the_last_word_says_why_and_nothing_follows(
    broker: Running, wire: bytes, reason: Reason
) -> None:
    async with broker.client5("c") as peer:
        await peer.send(wire, Pingreq(), Publish("t", b"behind"))
        said = await rest(peer)
    assert said[:1] + said[2:3] == bytes((0xE0, reason))
    assert len(said) == 2 + said[1]
    # Of its properties the reason string alone is there: no session expiry from a server.
    assert said[4] == 0x1F
    assert broker.sink.messages == []


@clause("MQTT-3.14.2-3", "MQTT-3.14.2-4")
@pytest.mark.parametrize("limit", [19, 1_023, 1_024])
async def test_the_last_word_fits_into_what_the_client_takes(broker: Running, limit: int) -> None:
    async with broker.client5("c", maximum_packet_bytes=limit) as peer:
        await peer.send(b"\x36\0")
        told = await peer.expect(Disconnect)
        assert told.reason == Reason.MALFORMED_PACKET
        assert bool(told.properties.reason_string) is (limit >= 1_024)


@clause("MQTT-3.14.2-2", "MQTT-3.1.2-23")
async def test_a_session_that_was_not_asked_for_cannot_be_at_the_end(broker: Running) -> None:
    async with broker.client5("c") as peer:
        await peer.send(Disconnect(0, Properties(session_expiry_s=60)))
        assert (await peer.expect(Disconnect)).reason == Reason.PROTOCOL_ERROR
    assert broker.broker.totals().sessions == 0
