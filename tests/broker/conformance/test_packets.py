"""What a packet may look like (chapters 1 and 2, and the forms in 3): byte by byte."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.broker.clauses import clause, clause311
from tests.broker.conformance.peers import both, client, rest
from tests.broker.harness import WITHIN_S, Running, local, running
from tocsin.broker.packets import LEVEL_5, LEVEL_311, Publish


@dataclass(frozen=True)
class Bad:
    """A packet that closes the connection. `wire` has `%` where MQTT 5 has its properties."""

    name: str
    wire: bytes
    old: tuple[str, ...] = ()
    """Statements of 3.1.1; none: the packet is of MQTT 5 alone."""
    new: tuple[str, ...] = ()
    reason: int = 0x81
    """What MQTT 5 is told."""

    def bytes(self, level: int) -> bytes:
        body = self.wire[1:].replace(b"%", b"\0" if level == LEVEL_5 else b"")
        assert len(body) < 128
        return bytes((self.wire[0], len(body))) + body


PACKETS = (
    Bad("topic not UTF-8", b"\x30\0\2\xc3\x28%", ("1.5.3-1", "3.3.2-1"), ("1.5.4-1", "3.3.2-1")),
    Bad("topic with a surrogate", b"\x30\0\3\xed\xa0\x80%", ("1.5.3-1",), ("1.5.4-1",)),
    Bad("topic with NUL", b"\x30\0\3a\0b%", ("1.5.3-2", "4.7.3-2"), ("1.5.4-2", "4.7.3-2")),
    Bad("filter not UTF-8", b"\x82\0\1%\0\1\xff\0", ("3.8.3-1",), ("3.8.3-1", "1.5.4-1")),
    Bad("filter with NUL", b"\x82\0\1%\0\1\0\0", ("4.7.3-2",), ("4.7.3-2",)),
    Bad("unsubscribe not UTF-8", b"\xa2\0\1%\0\1\xff", ("3.10.3-1",), ("3.10.3-1",)),
    Bad(
        "pubrel without its flags", b"\x60\0\1",
        ("2.2.2-1", "2.2.2-2", "3.6.1-1"), ("2.1.3-1", "3.6.1-1"),
    ),
    Bad("subscribe without its flags", b"\x80\0\1%\0\1a\0", ("3.8.1-1",), ("3.8.1-1",)),
    Bad("unsubscribe without its flags", b"\xa0\0\1%\0\1a", ("3.10.1-1",), ("3.10.1-1",)),
    Bad("disconnect with flags", b"\xe1", ("3.14.1-1",), ("3.14.1-1",)),
    Bad("puback with flags", b"\x42\0\1", ("2.2.2-2",), ("2.1.3-1",)),
    Bad("auth with flags", b"\xf1", (), ("3.15.1-1",)),
    Bad("publish with id 0", b"\x32\0\1a\0\0%", ("2.3.1-1",), ("2.2.1-3",)),
    Bad("subscribe with id 0", b"\x82\0\0%\0\1a\0", ("2.3.1-1",), ("2.2.1-3",)),
    Bad("unsubscribe with id 0", b"\xa2\0\0%\0\1a", ("2.3.1-1",), ("2.2.1-3",)),
    Bad("QoS 3", b"\x36\0\1a\0\1%", ("3.3.1-4", "4.8.0-1"), ("3.3.1-4", "4.13.1-1")),
    Bad("DUP at QoS 0", b"\x38\0\1a%", ("3.3.1-2",), ("3.3.1-2",)),
    Bad("topic with #", b"\x30\0\3a/#%", ("3.3.2-2", "4.7.1-1"), ("3.3.2-2", "4.7.0-1"), 0x90),
    Bad("topic with +", b"\x30\0\3+/a%", ("3.3.2-2", "4.7.1-1"), ("3.3.2-2", "4.7.0-1"), 0x90),
    Bad("topic empty", b"\x30\0\0%", ("4.7.3-1",), ("4.7.3-1",), 0x90),
    Bad("filter empty", b"\x82\0\1%\0\0\0", ("4.7.3-1",), ("4.7.3-1",), 0x8F),
    Bad("subscribe to nothing", b"\x82\0\1%", ("3.8.3-3",), ("3.8.3-2",), 0x82),
    Bad("unsubscribe from nothing", b"\xa2\0\1%", ("3.10.3-2",), ("3.10.3-2",), 0x82),
    Bad("subscribe at QoS 3", b"\x82\0\1%\0\1a\3", ("3.8.3-4",), (), 0x82),
    Bad("subscribe with reserved bits", b"\x82\0\1%\0\1a\x81", ("3.8.3-4",), ("3.8.3-5",)),
    Bad("filter a#", b"\x82\0\1%\0\2a#\0", ("4.7.1-2",), ("4.7.1-1",), 0x8F),
    Bad("filter #/a", b"\x82\0\1%\0\3#/a\0", ("4.7.1-2",), ("4.7.1-1",), 0x8F),
    Bad("filter a+/b", b"\x82\0\1%\0\4a+/b\0", ("4.7.1-3",), ("4.7.1-2",), 0x8F),
    Bad("property length padded", b"\x30\0\1a\x80\0", (), ("1.5.5-1",)),
    Bad("no property length", b"\x30\0\1a", (), ("2.2.2-1",)),
    Bad("pair with a name not UTF-8", b"\x30\0\1a\7\x26\0\1\xff\0\1v", (), ("1.5.7-1",)),
    Bad("pair with a value not UTF-8", b"\x30\0\1a\7\x26\0\1k\0\1\xff", (), ("1.5.7-1",)),
    Bad("alias 0", b"\x30\0\1a\3\x23\0\0", (), ("3.3.2-8",), 0x94),
    Bad("alias over the maximum", b"\x30\0\1a\3\x23\0\x21", (), ("3.2.2-17", "3.3.2-9"), 0x94),
    Bad("response topic not UTF-8", b"\x30\0\1a\4\x08\0\1\xff", (), ("3.3.2-13",)),
    Bad("response topic with #", b"\x30\0\1a\4\x08\0\1#", (), ("3.3.2-14",), 0x90),
    Bad("content type not UTF-8", b"\x30\0\1a\4\x03\0\1\xff", (), ("3.3.2-19",)),
    Bad("identifier from a client", b"\x30\0\1a\2\x0b\1", (), ("3.3.4-6",), 0x82),
    Bad("no local when shared", b"\x82\0\1\0\0\x0a$share/g/a\4", (), ("3.8.3-4",), 0x82),
    Bad("auth without a method", b"\xf0", (), ("4.12.0-7", "3.15.2-1"), 0x82),
)  # fmt: skip


def _cases() -> list[object]:
    made: list[object] = []
    for each in PACKETS:
        old = clause311(*(f"MQTT-{number}" for number in each.old))
        new = clause(*(f"MQTT-{number}" for number in each.new))
        if each.old:
            made.append(pytest.param(each, LEVEL_311, marks=old, id=f"{each.name}, 3.1.1"))
        made.append(pytest.param(each, LEVEL_5, marks=new, id=f"{each.name}, 5"))
    return made


@pytest.mark.parametrize(("case", "level"), _cases())
async def test_a_bad_packet_closes_its_connection_alone(
    broker: Running, case: Bad, level: int
) -> None:
    async with client(broker, "good", level) as good, client(broker, "bad", level) as bad:
        await bad.send(case.bytes(level))
        async with asyncio.timeout(WITHIN_S):
            said = await rest(bad)
        if level == LEVEL_5:
            assert (said[0], said[2]) == (0xE0, case.reason)
        else:
            assert said == b""
        await good.round_trip()
    assert broker.sink.messages == []


def _connect(level: int, flags: int, payload: bytes, name: bytes = b"\0\4MQTT") -> bytes:
    properties = b"\0" if level == LEVEL_5 else b""
    body = name + bytes((level, flags)) + b"\0\0" + properties + payload
    return bytes((0x10, len(body))) + body


ID = b"\0\1c"
_W = b"\0\1w\0\1p"


@both
@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        pytest.param(
            0x03, ID, id="reserved flag",
            marks=[clause311("MQTT-3.1.2-3", "MQTT-3.1.4-1"), clause("MQTT-3.1.2-3")],
        ),
        pytest.param(
            0x0A, ID, id="will QoS without a will",
            marks=[clause311("MQTT-3.1.2-11", "MQTT-3.1.2-13"), clause("MQTT-3.1.2-11")],
        ),
        pytest.param(
            0x22, ID, id="will retain without a will",
            marks=[clause311("MQTT-3.1.2-15"), clause("MQTT-3.1.2-13")],
        ),
        pytest.param(
            0x1E, ID + _W, id="will QoS 3",
            marks=[clause311("MQTT-3.1.2-14"), clause("MQTT-3.1.2-12")],
        ),
        pytest.param(
            0x06, ID, id="no will where its flag is set",
            marks=[clause311("MQTT-3.1.2-9"), clause("MQTT-3.1.2-9")],
        ),
        pytest.param(
            0x82, ID, id="no user name where its flag is set",
            marks=[clause311("MQTT-3.1.2-19"), clause("MQTT-3.1.2-17")],
        ),
        pytest.param(
            0xC2, ID + b"\0\1u", id="no password where its flag is set",
            marks=[clause311("MQTT-3.1.2-21"), clause("MQTT-3.1.2-19")],
        ),
        pytest.param(
            0x02, ID + b"\0\1u", id="a user name without its flag",
            marks=[
                clause311("MQTT-3.1.2-18", "MQTT-3.1.2-20", "MQTT-3.1.4-1"),
                clause("MQTT-3.1.2-16", "MQTT-3.1.2-18", "MQTT-3.1.4-1"),
            ],
        ),
        pytest.param(
            0x02, b"", id="no client id",
            marks=[clause311("MQTT-3.1.3-3"), clause("MQTT-3.1.3-3")],
        ),
        pytest.param(
            0x02, b"\0\1\xff", id="client id not UTF-8",
            marks=[clause311("MQTT-3.1.3-4"), clause("MQTT-3.1.3-4")],
        ),
        pytest.param(
            0x82, ID + b"\0\1\xff", id="user name not UTF-8",
            marks=[clause311("MQTT-3.1.3-11"), clause("MQTT-3.1.3-12")],
        ),
    ],
)  # fmt: skip
async def test_a_connect_that_is_not_one(
    broker: Running, level: int, flags: int, payload: bytes
) -> None:
    if level == LEVEL_5 and flags & 0x04:
        payload = payload[:3] + b"\0" + payload[3:]
    async with broker.peer() as peer:
        await peer.send(_connect(level, flags, payload))
        async with asyncio.timeout(WITHIN_S):
            said = await rest(peer)
    # 3.1.1 wants no CONNACK; 5 allows one with the reason.
    assert said == (b"\x20\x03\0\x81\0" if level == LEVEL_5 else b"")
    assert broker.connections == []


@both
@clause311("MQTT-3.1.3-10")
@clause("MQTT-3.1.3-11")
async def test_a_will_topic_is_utf_8(broker: Running, level: int) -> None:
    properties = b"\0" if level == LEVEL_5 else b""
    async with broker.peer() as peer:
        await peer.send(_connect(level, 0x06, ID + properties + b"\0\1\xff\0\1p"))
        await peer.closed()
    assert broker.connections == []


@clause311("MQTT-3.1.2-22")
async def test_a_password_without_a_user_name(broker: Running) -> None:
    """3.1.1 forbids it, 5 allows it."""
    for level, answer in ((LEVEL_311, b""), (LEVEL_5, b"\x20")):
        async with broker.peer() as peer:
            await peer.send(_connect(level, 0x42, ID + b"\0\1p") + b"\xe0\0")
            assert (await rest(peer))[:1] == answer


@clause311("MQTT-3.1.2-1", "MQTT-3.2.2-6")
@clause("MQTT-3.1.2-1")
async def test_another_protocol_name_is_closed_without_an_answer(broker: Running) -> None:
    async with broker.peer() as peer:
        await peer.send(_connect(LEVEL_311, 0x02, ID, name=b"\0\4MQTX"))
        assert await rest(peer) == b""


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        pytest.param(6, b"\x20\x03\0\x84\0", marks=clause("MQTT-3.1.2-2"), id="newer than 5"),
        pytest.param(2, b"\x20\2\0\1", marks=clause311("MQTT-3.1.2-2"), id="older than 3.1"),
    ],
)
async def test_another_protocol_level_is_told(broker: Running, number: int, answer: bytes) -> None:
    async with broker.peer() as peer:
        await peer.send(_connect(number, 0x02, ID))
        assert await rest(peer) == answer


@both
@clause311("MQTT-3.1.0-1")
@clause("MQTT-3.1.0-1")
async def test_the_first_packet_is_connect(broker: Running, level: int) -> None:
    async with broker.peer() as peer:
        await peer.send(b"\xc0\0")
        assert await rest(peer) == b""


@both
@clause311("MQTT-3.1.0-2")
@clause("MQTT-3.1.0-2", "MQTT-4.13.2-1")
async def test_a_second_connect_closes(broker: Running, level: int) -> None:
    async with client(broker, "c", level) as peer:
        await peer.send(_connect(level, 0x02, ID))
        said = await rest(peer)
        assert said[:1] + said[2:3] == (b"\xe0\x82" if level == LEVEL_5 else b"")


@both
@clause311("MQTT-1.5.3-3", "MQTT-4.7.3-4")
@clause("MQTT-1.5.4-3", "MQTT-4.7.3-4")
async def test_nothing_is_normalised(broker: Running, level: int) -> None:
    """Case, composed letters, empty levels and U+FEFF make other topics, and stay as they are."""
    topics = ("a", "A", "/a", "a/", "é", "e\u0301", "\ufeffa", "a\ufeff", "a ")
    for topic in topics:
        async with client(broker, "sub", level) as sub, client(broker, "pub", level) as pub:
            await sub.subscribe(topic)
            for each in topics:
                await pub.send(Publish(each, each.encode()))
            await pub.round_trip()
            assert (await sub.expect(Publish)).payload == topic.encode()
            await sub.round_trip()
        await broker.ended("sub")
        broker.connections.clear()


@both
@clause311("MQTT-4.7.3-3", "MQTT-3.3.2-3")
@clause("MQTT-4.7.3-3", "MQTT-3.3.2-3")
async def test_the_longest_topic_there_is(level: int) -> None:
    topic = "x" * 65_535
    async with running(local(topic_bytes=65_535)) as broker:
        async with client(broker, "c", level) as peer:
            assert await peer.subscribe(topic) == 0
            await peer.send(Publish(topic, b"v"))
            assert (await peer.expect(Publish)).topic == topic


@clause311("MQTT-2.3.1-5", "MQTT-4.3.1-1", "MQTT-3.3.1-2")
@clause("MQTT-2.2.1-2", "MQTT-4.3.1-1", "MQTT-3.3.1-2", "MQTT-2.2.2-1", "MQTT-1.5.5-1")
async def test_what_leaves_at_qos_0_byte_by_byte(broker: Running) -> None:
    for level, expected in ((LEVEL_311, b"\x30\4\0\1tv"), (LEVEL_5, b"\x30\5\0\1t\0v")):
        async with client(broker, "c", level) as peer:
            await peer.subscribe("t", 1)
            broker.broker.publish("t", b"v")
            assert await peer.exactly(len(expected)) == expected
    async with client(broker, "c", LEVEL_5) as peer:
        await peer.subscribe("t", 1)
        # 127 bytes take one byte to say, 128 take two.
        for size in (127, 128):
            broker.broker.publish("t", b"v" * (size - 4))
            packet = await peer.exactly(size + (2 if size < 128 else 3))
            assert packet[1:-size] == (b"\x7f" if size < 128 else b"\x80\x01")


@clause("MQTT-3.2.2-1", "MQTT-3.2.2-2", "MQTT-3.2.2-3")
async def test_the_flags_of_connack(broker: Running) -> None:
    for clean, flags in ((True, 0), (False, 1), (False, 1), (True, 0)):
        async with broker.peer() as peer:
            bits = 0x02 if clean else 0
            body = b"\0\4MQTT\5" + bytes((bits,)) + b"\0\0\5\x11\0\0\0\x3c" + ID
            await peer.send(bytes((0x10, len(body))) + body)
            assert (await peer.exactly(4))[2:] == bytes((flags, 0))
