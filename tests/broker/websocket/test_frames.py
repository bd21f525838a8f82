"""Frames, against another implementation of RFC 6455: the websockets package."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.streams import StreamReader

from tocsin.broker.websocket.frames import (
    CloseCode,
    FrameError,
    FrameReader,
    Incoming,
    Opcode,
    close_frame,
    frame_head,
)

CLOSE, PING, PONG = TheirOpcode.CLOSE, TheirOpcode.PING, TheirOpcode.PONG
BINARY, TEXT, CONT = TheirOpcode.BINARY, TheirOpcode.TEXT, TheirOpcode.CONT


def sent(opcode: TheirOpcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame as their client writes it, with a random mask."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def read_all(pieces: list[bytes]) -> list[Incoming]:
    reader = FrameReader()
    return [reader.feed(piece) for piece in pieces]


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    return [wire[a:b] for a, b in pairwise(edges)]


SIZES = st.sampled_from([0, 1, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 70_000])


@given(st.lists(SIZES, max_size=4), st.lists(st.integers(0, 300_000), max_size=6))
def test_what_they_send_arrives_however_it_is_cut(sizes: list[int], places: list[int]) -> None:
    payloads = [bytes(number % 251 for number in range(size)) for size in sizes]
    wire = b"".join(sent(BINARY, payload) for payload in payloads)
    got = read_all(cut(wire, places))
    assert b"".join(each.data for each in got) == b"".join(payloads)
    assert not any(each.closed or each.ping for each in got)


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=8))
def test_fragments_with_pings_between_are_one_stream(data: bytes, places: list[int]) -> None:
    half = len(data) // 2
    wire = sent(BINARY, data[:half], fin=False) + sent(PING, b"there?")
    wire += sent(CONT, b"", fin=False) + sent(PONG, b"") + sent(CONT, data[half:])
    wire += sent(PING, b"still?")
    got = read_all(cut(wire, places))
    assert b"".join(each.data for each in got) == data
    assert [each.ping for each in got if each.ping is not None][-1] == b"still?"


def test_of_many_pings_in_one_segment_the_newest_counts() -> None:
    [incoming] = read_all([sent(PING, b"1") + sent(PING, b"2") + sent(PING, b"3")])
    assert incoming.ping == b"3"


def test_nothing_counts_after_a_close() -> None:
    [incoming] = read_all([sent(BINARY, b"a") + sent(CLOSE, b"\x03\xe8") + sent(BINARY, b"b")])
    assert (incoming.data, incoming.closed) == (b"a", True)


def test_a_payload_is_handed_on_before_its_frame_is_complete() -> None:
    wire = sent(BINARY, b"x" * 100_000)
    reader = FrameReader()
    assert reader.feed(wire[:10_014]).data == b"x" * 10_000


WRONG = {
    "reserved bits": (b"\xc2\x80\0\0\0\0", "reserved bits"),
    "no mask": (b"\x82\x01a", "not masked"),
    "text": (sent(TEXT, b"hi"), "text frame; expected binary"),
    "opcode 3": (b"\x83\x80\0\0\0\0", "opcode 0x3; expected binary"),
    "opcode 11": (b"\x8b\x80\0\0\0\0", "opcode 0xb; expected close, ping or pong"),
    "a fragment of nothing": (sent(CONT, b"a"), "out of place"),
    "one in another": (sent(BINARY, b"a", fin=False) + sent(BINARY, b"b"), "out of place"),
    "ping in fragments": (b"\x09\x80\0\0\0\0", "in fragments"),
    "long ping": (b"\x89\xfe\x00\x7e" + bytes(130), "longer than 125"),
    "2-byte length of 125": (b"\x82\xfe\x00\x7d" + bytes(129), "shortest form"),
    "8-byte length of 65535": (b"\x82\xff" + (65_535).to_bytes(8) + bytes(4), "shortest form"),
    "length of 2**63": (b"\x82\xff\x80" + bytes(11), "shortest form"),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "why"), WRONG.values(), ids=WRONG)
def test_what_is_no_frame_is_refused(wire: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why) as raised:
        FrameReader().feed(wire)
    text = why.startswith("text")
    assert raised.value.code == (CloseCode.UNSUPPORTED_DATA if text else CloseCode.PROTOCOL_ERROR)


@given(SIZES)
def test_they_read_what_we_write(size: int) -> None:
    payload = bytes(size)
    frame = parsed(frame_head(Opcode.BINARY, size) + payload)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (BINARY, True, payload)


def test_they_read_our_close() -> None:
    frame = parsed(close_frame(CloseCode.UNSUPPORTED_DATA))
    assert (frame.opcode, frame.data) == (CLOSE, (1003).to_bytes(2))


def parsed(wire: bytes) -> Frame:
    stream = StreamReader()
    stream.feed_data(wire)
    stream.feed_eof()
    steps = Frame.parse(stream.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(steps)
    return done.value.value
