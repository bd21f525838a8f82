"""MQTT 5 on the wire: named packets, round trips, the property table, and any cut."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.catalogue import Malformed, WellFormed
from tests.broker.catalogue5 import (
    CONNECTS5,
    LONG_FORMS,
    MALFORMED5,
    MALFORMED_CONNECTS5,
    WELL_FORMED5,
)
from tocsin.broker.codec import decode, encode
from tocsin.broker.decoder import Decoder, RefusedPublish
from tocsin.broker.fields import Body, MalformedPacketError, decode_topic, variable
from tocsin.broker.packets import LEVEL_5, Connect, Packet, Pingreq, Publish
from tocsin.broker.properties import (
    NO_PROPERTIES,
    Place,
    Properties,
    expiry_of,
    message_properties,
    passed_on,
    read_properties,
    without_expiry,
    write_properties,
)
from tocsin.devices.message import Message

ALIASES = 8

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=10)
topics = st.text("abé/ ", min_size=1, max_size=8)
carried = st.builds(
    Properties,
    payload_format=st.none() | st.integers(0, 1),
    message_expiry_s=st.none() | st.integers(0, 2**32 - 1),
    content_type=st.none() | texts,
    response_topic=st.none() | topics,
    correlation_data=st.none() | st.binary(max_size=10),
    user=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
)


def split(wire: bytes) -> tuple[int, bytes]:
    at = 1
    while wire[at] > 127:
        at += 1
    return wire[0], wire[at + 1 :]


@pytest.mark.parametrize("case", CONNECTS5 + WELL_FORMED5, ids=lambda case: case.name)
def test_named_packets(case: WellFormed) -> None:
    got = decode(*split(case.wire), LEVEL_5)
    assert got == case.packet
    # Properties may come in any order: what is written means the same, in as many bytes.
    again = encode(got, LEVEL_5)
    assert decode(*split(again), LEVEL_5) == case.packet
    assert len(again) == len(case.wire)


@pytest.mark.parametrize("case", LONG_FORMS, ids=lambda case: case.name)
def test_long_forms(case: WellFormed) -> None:
    assert decode(*split(case.wire), LEVEL_5) == case.packet


@pytest.mark.parametrize("case", MALFORMED_CONNECTS5, ids=lambda case: case.name)
def test_a_malformed_connect_is_answered(case: Malformed) -> None:
    with pytest.raises(MalformedPacketError) as caught:
        decode(*split(case.wire))
    assert case.why in str(caught.value)
    assert caught.value.answer == bytes((0x20, 3, 0, caught.value.reason, 0))


@dataclass(frozen=True)
class Sample:
    """A property id with a valid value, and every place it may be (table 2-4)."""

    wire: bytes
    places: set[Place]


_P = Place
_MESSAGE = {_P.PUBLISH, _P.WILL}
_NOT_ANSWERS = {_P.CONNECT, _P.WILL, _P.PUBLISH, _P.SUBSCRIBE, _P.UNSUBSCRIBE}
SAMPLES = {
    "payload format": Sample(b"\x01\x01", _MESSAGE),
    "message expiry": Sample(b"\x02\0\0\0\1", _MESSAGE),
    "content type": Sample(b"\x03\0\1t", _MESSAGE),
    "response topic": Sample(b"\x08\0\1t", _MESSAGE),
    "correlation data": Sample(b"\x09\0\1\xff", _MESSAGE),
    "subscription identifier": Sample(b"\x0b\1", {_P.PUBLISH, _P.SUBSCRIBE}),
    "session expiry": Sample(b"\x11\0\0\0\1", {_P.CONNECT, _P.CONNACK, _P.DISCONNECT}),
    "assigned client": Sample(b"\x12\0\1c", {_P.CONNACK}),
    "server keep alive": Sample(b"\x13\0\1", {_P.CONNACK}),
    "authentication method": Sample(b"\x15\0\1m", {_P.CONNECT, _P.CONNACK, _P.AUTH}),
    "authentication data": Sample(b"\x16\0\1d", {_P.CONNECT, _P.CONNACK, _P.AUTH}),
    "problem information": Sample(b"\x17\1", {_P.CONNECT}),
    "will delay": Sample(b"\x18\0\0\0\1", {_P.WILL}),
    "response wanted": Sample(b"\x19\1", {_P.CONNECT}),
    "response information": Sample(b"\x1a\0\1r", {_P.CONNACK}),
    "server reference": Sample(b"\x1c\0\1s", {_P.CONNACK, _P.DISCONNECT}),
    "reason string": Sample(b"\x1f\0\1r", set(Place) - _NOT_ANSWERS),
    "receive maximum": Sample(b"\x21\0\1", {_P.CONNECT, _P.CONNACK}),
    "alias maximum": Sample(b"\x22\0\1", {_P.CONNECT, _P.CONNACK}),
    "topic alias": Sample(b"\x23\0\1", {_P.PUBLISH}),
    "maximum QoS": Sample(b"\x24\1", {_P.CONNACK}),
    "retain available": Sample(b"\x25\1", {_P.CONNACK}),
    "user": Sample(b"\x26\0\1k\0\1v", set(Place)),
    "packet size": Sample(b"\x27\0\0\0\1", {_P.CONNECT, _P.CONNACK}),
    "wildcards": Sample(b"\x28\1", {_P.CONNACK}),
    "identifiers available": Sample(b"\x29\1", {_P.CONNACK}),
    "shared available": Sample(b"\x2a\1", {_P.CONNACK}),
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
def test_each_property_in_its_packets_only_and_once(sample: Sample) -> None:
    many = sample.wire[0] in (0x26, 0x0B)
    for place in Place:
        wire = variable(len(sample.wire)) + sample.wire
        twice = variable(2 * len(sample.wire)) + 2 * sample.wire
        if place not in sample.places:
            with pytest.raises(MalformedPacketError, match="expected it elsewhere"):
                read_properties(Body(wire), place)
            continue
        found = read_properties(Body(wire), place)
        assert found != NO_PROPERTIES
        assert write_properties(found) == wire
        if many and not (place is Place.SUBSCRIBE and sample.wire[0] == 0x0B):
            assert write_properties(read_properties(Body(twice), place)) == twice
        else:
            with pytest.raises(MalformedPacketError, match="twice"):
                read_properties(Body(twice), place)


@given(carried)
def test_properties_round_trip(properties: Properties) -> None:
    wire = write_properties(properties)
    body = Body(wire)
    assert read_properties(body, Place.PUBLISH) == properties
    body.end("properties")


@given(carried, st.lists(st.integers(1, 268_435_455), max_size=2).map(tuple), st.integers(0, 9))
def test_what_is_passed_on_is_what_came(
    properties: Properties, ids: tuple[int, ...], alias: int
) -> None:
    passed = passed_on(properties)
    assert expiry_of(passed) == properties.message_expiry_s
    wire = message_properties(without_expiry(passed), expiry_of(passed), ids, alias)
    got = read_properties(Body(wire), Place.PUBLISH)
    assert (got.subscription_ids, got.topic_alias) == (ids, alias or None)
    for name in ("payload_format", "message_expiry_s", "content_type", "response_topic"):
        assert getattr(got, name) == getattr(properties, name)
    assert (got.correlation_data, got.user) == (properties.correlation_data, properties.user)


# -- the server's decoder ------------------------------------------------------------------------


Decoded = list[Packet | Message | RefusedPublish]


def server_decoder() -> Decoder:
    decoder = Decoder(connect_packet_bytes=16_384)
    known: dict[bytes, str] = {}

    def admit(name: bytes) -> str | None:
        known[name] = decode_topic(name)
        return known[name]

    decoder.open("me", 266_240, known, admit, LEVEL_5, ALIASES)
    return decoder


@st.composite
def publishes(draw: st.DrawFn) -> Publish:
    qos = draw(st.integers(0, 2))
    return Publish(
        draw(topics),
        draw(st.binary(max_size=200)),
        qos,
        draw(st.booleans()),
        bool(qos) and draw(st.booleans()),
        draw(st.integers(1, 65_535)) if qos else 0,
        draw(st.just(NO_PROPERTIES) | carried),
    )


def as_message(packet: Publish) -> Message:
    p = packet
    return Message("me", p.topic, p.payload, p.qos, p.retain, p.packet_id, passed_on(p.properties))


@given(st.lists(publishes(), max_size=6), st.data())
def test_the_fast_lane_reads_what_the_codec_reads_at_any_cut(
    stream: list[Publish], data: st.DataObject
) -> None:
    wire = b"".join(encode(packet, LEVEL_5) for packet in stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=4)))
    decoder = server_decoder()
    got: Decoded = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        got += decoder.feed(wire[start:end])
    assert decoder.error is None
    assert got == [as_message(packet) for packet in stream]
    for packet in stream:
        assert decode(*split(encode(packet, LEVEL_5)), LEVEL_5) == packet


def test_an_alias_stands_for_the_topic_that_came_with_it_last() -> None:
    decoder = server_decoder()

    def publish(topic: str, payload: bytes, alias: int) -> bytes:
        return encode(Publish(topic, payload, properties=Properties(topic_alias=alias)), LEVEL_5)

    got = decoder.feed(
        publish("a", b"1", 1)
        + publish("b", b"2", ALIASES)
        + publish("", b"3", 1)
        + publish("c", b"4", 1)
        + publish("", b"5", 1)
        + publish("", b"6", ALIASES)
    )
    assert [(m.topic, m.payload) for m in got if isinstance(m, Message)] == [
        ("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4"), ("c", b"5"), ("b", b"6"),
    ]  # fmt: skip
    assert [m.properties for m in got if isinstance(m, Message)] == [None] * 6


@pytest.mark.parametrize("case", MALFORMED5, ids=lambda case: case.name)
def test_a_malformed_packet_ends_the_stream_at_every_cut(case: Malformed) -> None:
    good = encode(Publish("t", b"before"), LEVEL_5)
    wire = good + case.wire + encode(Publish("t", b"after"), LEVEL_5)
    for cut in range(len(wire) + 1):
        decoder = server_decoder()
        got = decoder.feed(wire[:cut]) + decoder.feed(wire[cut:])
        assert got == [Message("me", "t", b"before")], f"cut at {cut}"
        assert case.why in str(decoder.error)


@pytest.mark.parametrize(
    "case", [c for c in WELL_FORMED5 if "publish" not in c.name], ids=lambda case: case.name
)
def test_every_packet_at_every_cut(case: WellFormed) -> None:
    wire = case.wire + encode(Pingreq())
    for cut in range(len(wire) + 1):
        decoder = server_decoder()
        assert decoder.feed(wire[:cut]) + decoder.feed(wire[cut:]) == [case.packet, Pingreq()]


@given(st.binary(max_size=60), st.integers(0, 255))
def test_decode_gives_a_packet_or_the_named_error(body: bytes, first: int) -> None:
    try:
        packet = decode(first, body, LEVEL_5)
    except MalformedPacketError:
        return
    level = packet.level if isinstance(packet, Connect) else LEVEL_5
    assert decode(*split(encode(packet, level)), level) == packet


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=10))
def test_garbage_gives_packets_or_one_error(segments: list[bytes]) -> None:
    decoder = server_decoder()
    for segment in segments:
        failed = decoder.error is not None
        assert not (decoder.feed(segment) and failed)
