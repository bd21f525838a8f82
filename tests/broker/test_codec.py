"""The codec: named packets, round trips, and the server's decoder as the same law at any cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.catalogue import (
    MALFORMED,
    MALFORMED_CONNECTS,
    WELL_FORMED,
    Malformed,
    WellFormed,
)
from tocsin.broker.codec import decode, encode
from tocsin.broker.decoder import Decoder, RefusedPublish
from tocsin.broker.fields import MalformedPacketError, decode_topic, variable
from tocsin.broker.packets import (
    LEVEL_31,
    LEVEL_311,
    Connack,
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
    Unsuback,
    Unsubscribe,
    Will,
)
from tocsin.broker.reasons import ConnectCode
from tocsin.devices.message import Message

# -- what packets are made of ------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
topics = st.text("abé/ $", min_size=1, max_size=12)
filters = st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=5).flatmap(
    lambda levels: st.sampled_from(["/".join(levels) or "+", "/".join([*levels, "#"])])
)
packet_ids = st.integers(1, 65_535)
payloads = st.binary(max_size=300)
qos_levels = st.integers(0, 2)
wills = st.builds(Will, topics, payloads, qos_levels, st.booleans())


@st.composite
def connects(draw: st.DrawFn) -> Connect:
    username = draw(st.none() | texts)
    password = draw(st.none() | st.binary(max_size=20)) if username is not None else None
    return Connect(
        draw(texts),
        draw(st.booleans()),
        draw(st.integers(0, 65_535)),
        draw(st.none() | wills),
        username,
        password,
        draw(st.sampled_from([LEVEL_31, LEVEL_311])),
    )


@st.composite
def publishes(draw: st.DrawFn) -> Publish:
    qos = draw(qos_levels)
    return Publish(
        draw(topics),
        draw(payloads),
        qos,
        draw(st.booleans()),
        bool(qos) and draw(st.booleans()),
        draw(packet_ids) if qos else 0,
    )


packets = st.one_of(
    connects(),
    publishes(),
    st.builds(Connack, st.sampled_from(ConnectCode), st.booleans()),
    *(st.builds(kind, packet_ids) for kind in (Puback, Pubrec, Pubrel, Pubcomp, Unsuback)),
    st.builds(
        Subscribe,
        packet_ids,
        st.lists(st.tuples(filters, qos_levels), min_size=1, max_size=4).map(tuple),
    ),
    st.builds(
        Suback, packet_ids, st.lists(st.sampled_from([0, 1, 2, 0x80]), max_size=4).map(tuple)
    ),
    st.builds(Unsubscribe, packet_ids, st.lists(filters, min_size=1, max_size=4).map(tuple)),
    st.sampled_from([Pingreq(), Pingresp(), Disconnect()]),
)


def split(wire: bytes) -> tuple[int, bytes]:
    """First byte and body of the one packet in `wire`."""
    at = 1
    while wire[at] > 127:
        at += 1
    return wire[0], wire[at + 1 :]


# -- the codec -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", WELL_FORMED, ids=lambda case: case.name)
def test_named_packets(case: WellFormed) -> None:
    assert decode(*split(case.wire)) == case.packet
    assert encode(case.packet) == case.wire


@pytest.mark.parametrize("case", MALFORMED_CONNECTS + MALFORMED, ids=lambda case: case.name)
def test_malformed_packets_are_refused_with_reason(case: Malformed) -> None:
    with pytest.raises(MalformedPacketError) as caught:
        decode(*split(case.wire))
    assert case.why in str(caught.value) or case.why == "expected"


def test_an_unknown_protocol_level_is_answered_in_its_own_form() -> None:
    answers = {
        case.name: _refusal(case).answer
        for case in MALFORMED_CONNECTS
        if case.name in ("MQTT 6", "level of 3.1", "foreign protocol")
    }
    assert answers == {
        "MQTT 6": b"\x20\x03\0\x84\0",
        "level of 3.1": b"\x20\x02\0\x01",
        "foreign protocol": b"",
    }


def _refusal(case: Malformed) -> MalformedPacketError:
    with pytest.raises(MalformedPacketError) as caught:
        decode(*split(case.wire))
    return caught.value


@given(packets)
def test_decode_gives_back_what_was_encoded(packet: Packet) -> None:
    assert decode(*split(encode(packet))) == packet


@given(st.binary(max_size=60), st.integers(0, 255))
def test_decode_gives_a_packet_or_the_named_error(body: bytes, first: int) -> None:
    try:
        packet = decode(first, body)
    except MalformedPacketError:
        return
    # What was accepted is canonical: 3.1.1 leaves no second way to write a packet.
    assert encode(packet) == bytes((first,)) + variable(len(body)) + body


@pytest.mark.parametrize(
    ("length", "wire"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (268_435_455, b"\xff\xff\xff\x7f"),
    ],
)
def test_remaining_length_as_in_table_2_4(length: int, wire: bytes) -> None:
    assert variable(length) == wire


def test_what_does_not_fit_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="expected at most 268435455"):
        variable(268_435_456)
    with pytest.raises(ValueError, match="expected at most 65535"):
        encode(Unsubscribe(1, ("x" * 65_536,)))


# -- the server's decoder --------------------------------------------------------------------------

Decoded = list[Packet | Message | RefusedPublish]


def server_decoder(*, opened: bool = True) -> Decoder:
    """A decoder whose client may publish to every topic that does not begin with $."""
    decoder = Decoder(connect_packet_bytes=16_384)
    known: dict[bytes, str] = {}

    def admit(name: bytes) -> str | None:
        topic = decode_topic(name)
        if topic.startswith("$"):
            return None
        known[name] = topic
        return topic

    if opened:
        decoder.open("me", 266_240, known, admit)
    return decoder


def as_message(packet: Packet) -> Packet | Message:
    """What the server makes of a packet: a PUBLISH is a message of its client."""
    if isinstance(packet, Publish):
        p = packet
        return Message("me", p.topic, p.payload, p.qos, p.retain, p.packet_id)
    return packet


def shown(decoded: Decoded) -> list[object]:
    return [
        (each.topic, each.qos) if isinstance(each, RefusedPublish) else each for each in decoded
    ]


# A server decoder takes no second CONNECT.
streams = st.lists(packets.filter(lambda packet: not isinstance(packet, Connect)), max_size=8)


@given(streams)
def test_the_fast_lane_reads_what_the_codec_reads(stream: list[Packet]) -> None:
    got = server_decoder().feed(b"".join(map(encode, stream)))
    expected = [
        (packet.topic.encode(), packet.qos)
        if isinstance(packet, Publish) and packet.topic.startswith("$")
        else as_message(packet)
        for packet in stream
    ]
    assert shown(got) == expected


@given(streams, st.data())
def test_cuts_change_nothing(stream: list[Packet], data: st.DataObject) -> None:
    wire = b"".join(map(encode, stream))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    decoder = server_decoder()
    got: Decoded = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        got += decoder.feed(wire[start:end])
    assert shown(got) == shown(server_decoder().feed(wire))
    assert decoder.error is None


@pytest.mark.parametrize("case", WELL_FORMED[4:], ids=lambda case: case.name)
def test_every_packet_at_every_cut(case: WellFormed) -> None:
    tail = encode(Pingreq())
    wire = case.wire + tail
    for cut in range(len(wire) + 1):
        decoder = server_decoder()
        got = decoder.feed(wire[:cut]) + decoder.feed(wire[cut:])
        assert got == [as_message(case.packet), Pingreq()], f"cut at {cut}"
    bytewise = server_decoder()
    got = [each for byte in wire for each in bytewise.feed(bytes((byte,)))]
    assert got == [as_message(case.packet), Pingreq()]


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_a_malformed_packet_ends_the_stream_at_every_cut(case: Malformed) -> None:
    good = encode(Publish("t", b"before"))
    wire = good + case.wire + encode(Publish("t", b"after"))
    for cut in range(len(wire) + 1):
        decoder = server_decoder()
        got = decoder.feed(wire[:cut]) + decoder.feed(wire[cut:])
        assert got == [Message("me", "t", b"before")], f"cut at {cut}"
        assert decoder.error is not None


def test_nothing_is_read_beyond_connect_until_it_is_answered() -> None:
    decoder = server_decoder(opened=False)
    connect = Connect("me")
    assert decoder.feed(encode(connect) + encode(Publish("t", b"v"))) == [connect]
    decoder.open("me", 1_000, {b"t": "t"}, lambda _: None)
    assert decoder.feed(b"") == [Message("me", "t", b"v")]


def test_the_first_packet_is_connect_and_small() -> None:
    decoder = server_decoder(opened=False)
    assert decoder.feed(encode(Pingreq())) == []
    assert "expected CONNECT" in str(decoder.error)
    decoder = server_decoder(opened=False)
    # The length alone decides: nothing of a large packet is kept.
    assert decoder.feed(b"\x10\xff\xff\x7f") == []
    assert "expected at most 16384" in str(decoder.error)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=10))
def test_garbage_gives_packets_or_one_error(segments: list[bytes]) -> None:
    decoder = server_decoder()
    for segment in segments:
        failed = decoder.error is not None
        assert not (decoder.feed(segment) and failed)
