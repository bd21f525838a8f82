"""MQTT 3.1.1 and 5 packets to bytes and back: pure functions, complete in both directions.

The server reads through `decoder.Decoder`, which has its own lane for PUBLISH and calls
`decode` for the rest. Encoders of what a server sends in numbers (`publish_head`, `ack`)
are functions of their own: no packet object is made for them.
"""

from collections.abc import Callable
from struct import Struct

from tocsin.broker import fields
from tocsin.broker.fields import U16, Body, MalformedPacketError, checked, decode_topic
from tocsin.broker.packets import (
    LEVEL_5,
    LEVEL_31,
    LEVEL_311,
    NO_LOCAL,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
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
from tocsin.broker.properties import (
    NO_PROPERTIES,
    Place,
    Properties,
    read_properties,
    write_properties,
)
from tocsin.broker.reasons import ConnectCode, Reason
from tocsin.broker.topics import check_filter, is_shared

PUBACK = 0x4002
PUBREC = 0x5002
PUBREL = 0x6202
PUBCOMP = 0x7002
PINGRESP = b"\xd0\x00"

_PROTOCOLS = {"MQTT": (LEVEL_311, LEVEL_5), "MQIsdp": (LEVEL_31,)}

ack: Callable[[int, int], bytes] = Struct(">HH").pack
"""`ack(PUBACK, packet_id)`: the four bytes of PUBACK, PUBREC, PUBREL or PUBCOMP."""

_ACK_REASON: Callable[[int, int, int], bytes] = Struct(">HHB").pack


def negative_ack(kind: int, packet_id: int, reason: Reason) -> bytes:
    """The five bytes of the same packets with a reason, for a 5 client."""
    return _ACK_REASON(kind + 1, packet_id, reason)


# -- decoding ------------------------------------------------------------------------


def decode(first: int, content: bytes, level: int = LEVEL_311) -> Packet:
    """The packet with first byte `first` and the bytes after its fixed header.

    `level` is that of the connection; CONNECT has its own. Raises MalformedPacketError, naming
    the value and what was expected.
    """
    kind = first >> 4
    read = _DECODERS.get(kind)
    if read is None or (kind == PacketType.AUTH and level < LEVEL_5):
        highest = 15 if level == LEVEL_5 else 14
        raise MalformedPacketError(f"packet type is {kind}; expected 1 to {highest}")
    if kind != PacketType.PUBLISH and first & 15 != _FLAGS.get(kind, 0):  # [MQTT-2.2.2-2]
        name = PacketType(kind).name
        raise MalformedPacketError(f"{name} has flags {first & 15}; expected {_FLAGS.get(kind, 0)}")
    body = Body(content)
    packet = read(first, body, level)
    body.end(PacketType(kind).name)
    return packet


def _properties(body: Body, place: Place, level: int) -> Properties:
    return read_properties(body, place) if level == LEVEL_5 else NO_PROPERTIES


def _connect(_: int, body: Body, __: int) -> Connect:
    name = body.text("protocol name")
    if name not in _PROTOCOLS:  # [MQTT-3.1.2-1]
        raise MalformedPacketError(f"protocol name is {name[:64]!r}; expected 'MQTT'")
    level = body.u8("protocol level")
    if level not in _PROTOCOLS[name]:  # [MQTT-3.1.2-2]
        expected = " or ".join(map(str, _PROTOCOLS[name]))
        raise MalformedPacketError(
            f"protocol level is {level}; expected {expected}",
            Reason.UNSUPPORTED_PROTOCOL_VERSION,
            _unacceptable(level),
        )
    try:
        packet = _connect_fields(body, level)
        body.end("CONNECT")
    except MalformedPacketError as error:
        if level == LEVEL_5:  # 3.1.4: the server may say what is wrong
            error.answer = encode(Connack(error.reason), LEVEL_5)
        raise
    return packet


def _connect_fields(body: Body, level: int) -> Connect:
    flags = body.u8("connect flags")
    if flags & 0x01:
        raise MalformedPacketError("connect flag 0 is set; expected 0")  # [MQTT-3.1.2-3]
    keepalive_s = body.u16("keep alive")
    properties = _properties(body, Place.CONNECT, level)
    if properties.authentication_data is not None and properties.authentication_method is None:
        raise MalformedPacketError(
            "CONNECT has authentication data; expected a method with it", Reason.PROTOCOL_ERROR
        )
    client = body.text("client id")
    will = _will(flags, body, level)
    username = body.text("user name") if flags & 0x80 else None
    if level < LEVEL_5 and flags & 0x40 and not flags & 0x80:  # 3.1.1: [MQTT-3.1.2-22]
        raise MalformedPacketError("password without user name; expected both or user name alone")
    password = body.binary("password") if flags & 0x40 else None
    clean = bool(flags & 0x02)
    return Connect(client, clean, keepalive_s, will, username, password, level, properties)


def _unacceptable(level: int) -> bytes:
    """A CONNACK that the client of that protocol level can read: MQTT 5 has its own form."""
    if level >= LEVEL_5:
        return encode(Connack(Reason.UNSUPPORTED_PROTOCOL_VERSION), LEVEL_5)
    return encode(Connack(ConnectCode.UNACCEPTABLE_PROTOCOL))


def _will(flags: int, body: Body, level: int) -> Will | None:
    qos = flags >> 3 & 3
    if not flags & 0x04:
        if flags & 0x38:  # [MQTT-3.1.2-11]
            raise MalformedPacketError("will QoS or retain without a will; expected 0")
        return None
    if qos == 3:
        raise MalformedPacketError("will QoS is 3; expected 0, 1 or 2")  # [MQTT-3.1.2-14]
    properties = _properties(body, Place.WILL, level)
    topic = decode_topic(body.binary("will topic"), "will topic")
    return Will(topic, body.binary("will payload"), qos, bool(flags & 0x20), properties)


def _connack(_: int, body: Body, level: int) -> Connack:
    flags = body.u8("connack flags")
    if flags > 1:
        raise MalformedPacketError(f"connack flags are {flags}; expected 0 or 1")
    number = body.u8("return code")
    code: ConnectCode | Reason
    try:
        code = Reason(number) if level == LEVEL_5 else ConnectCode(number)
    except ValueError:
        raise MalformedPacketError(f"return code is {number}; expected a known one") from None
    return Connack(code, bool(flags), _properties(body, Place.CONNACK, level))


def _publish(first: int, body: Body, level: int) -> Publish:
    qos = publish_qos(first)
    name = body.binary("topic")
    packet_id = body.packet_id() if qos else 0
    properties = _properties(body, Place.PUBLISH, level)
    aliased = not name and properties.topic_alias is not None
    topic = "" if aliased else decode_topic(name)
    payload = body.take(body.left(), "payload")
    return Publish(topic, payload, qos, bool(first & 1), bool(first & 8), packet_id, properties)


def publish_qos(first: int) -> int:
    """The QoS in a PUBLISH's first byte."""
    qos = first >> 1 & 3
    if qos == 3:  # [MQTT-3.3.1-4]
        raise MalformedPacketError("QoS is 3; expected 0, 1 or 2")
    if first & 8 and not qos:  # [MQTT-3.3.1-2]
        raise MalformedPacketError("DUP is set at QoS 0; expected 0")
    return qos


def _reason(body: Body, place: Place, level: int) -> tuple[int, Properties]:
    """Reason code and properties; MQTT 5 leaves out what says nothing (3.4.2.1, 3.14.2.1)."""
    if level < LEVEL_5 or not body.left():
        return Reason.SUCCESS, NO_PROPERTIES
    reason = body.u8("reason code")
    return reason, read_properties(body, place) if body.left() else NO_PROPERTIES


def _puback(_: int, body: Body, level: int) -> Puback:
    return Puback(body.packet_id(), *_reason(body, Place.PUBACK, level))


def _pubrec(_: int, body: Body, level: int) -> Pubrec:
    return Pubrec(body.packet_id(), *_reason(body, Place.PUBREC, level))


def _pubrel(_: int, body: Body, level: int) -> Pubrel:
    return Pubrel(body.packet_id(), *_reason(body, Place.PUBREL, level))


def _pubcomp(_: int, body: Body, level: int) -> Pubcomp:
    return Pubcomp(body.packet_id(), *_reason(body, Place.PUBCOMP, level))


def _subscribe(_: int, body: Body, level: int) -> Subscribe:
    packet_id = body.packet_id()
    properties = _properties(body, Place.SUBSCRIBE, level)
    filters: list[tuple[str, int]] = []
    while body.left():
        topic_filter = body.text("filter")
        checked(check_filter, topic_filter, Reason.TOPIC_FILTER_INVALID)
        options = body.u8("requested QoS")
        if level < LEVEL_5 and options > 2:  # 3.1.1: [MQTT-3.8.3-4]
            raise MalformedPacketError(f"requested QoS is {options}; expected 0, 1 or 2")
        if options & 3 == 3 or options & 0x30 == 0x30:
            raise MalformedPacketError(
                f"options are {options:#04x}; expected QoS and retain handling of 0, 1 or 2",
                Reason.PROTOCOL_ERROR,
            )
        if options & 0xC0:  # 5: [MQTT-3.8.3-5]
            raise MalformedPacketError(f"options are {options:#04x}; expected bits 6 and 7 to be 0")
        if options & NO_LOCAL and is_shared(topic_filter):  # 5: [MQTT-3.8.3-4]
            raise MalformedPacketError(
                f"filter {topic_filter[:64]!r} is shared and has no local; expected one of both",
                Reason.PROTOCOL_ERROR,
            )
        filters.append((topic_filter, options))
    if not filters:  # [MQTT-3.8.3-3]
        raise MalformedPacketError("SUBSCRIBE has no filter; expected one", Reason.PROTOCOL_ERROR)
    return Subscribe(packet_id, tuple(filters), properties)


def _suback(_: int, body: Body, level: int) -> Suback:
    packet_id = body.packet_id()
    properties = _properties(body, Place.SUBACK, level)
    return Suback(packet_id, tuple(body.take(body.left(), "codes")), properties)


def _unsubscribe(_: int, body: Body, level: int) -> Unsubscribe:
    packet_id = body.packet_id()
    properties = _properties(body, Place.UNSUBSCRIBE, level)
    filters: list[str] = []
    while body.left():
        topic_filter = body.text("filter")
        checked(check_filter, topic_filter, Reason.TOPIC_FILTER_INVALID)
        filters.append(topic_filter)
    if not filters:  # [MQTT-3.10.3-2]
        raise MalformedPacketError("UNSUBSCRIBE has no filter; expected one", Reason.PROTOCOL_ERROR)
    return Unsubscribe(packet_id, tuple(filters), properties)


def _unsuback(_: int, body: Body, level: int) -> Unsuback:
    packet_id = body.packet_id()
    if level < LEVEL_5:
        return Unsuback(packet_id)
    properties = read_properties(body, Place.UNSUBACK)
    return Unsuback(packet_id, tuple(body.take(body.left(), "codes")), properties)


_DECODERS: dict[int, Callable[[int, Body, int], Packet]] = {
    PacketType.CONNECT: _connect,
    PacketType.CONNACK: _connack,
    PacketType.PUBLISH: _publish,
    PacketType.PUBACK: _puback,
    PacketType.PUBREC: _pubrec,
    PacketType.PUBREL: _pubrel,
    PacketType.PUBCOMP: _pubcomp,
    PacketType.SUBSCRIBE: _subscribe,
    PacketType.SUBACK: _suback,
    PacketType.UNSUBSCRIBE: _unsubscribe,
    PacketType.UNSUBACK: _unsuback,
    PacketType.PINGREQ: lambda _, __, ___: Pingreq(),
    PacketType.PINGRESP: lambda _, __, ___: Pingresp(),
    PacketType.DISCONNECT: lambda _, body, level: Disconnect(
        *_reason(body, Place.DISCONNECT, level)
    ),
    PacketType.AUTH: lambda _, body, level: Auth(*_reason(body, Place.AUTH, level)),
}

# The lower four bits that are not 0 [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1].
_FLAGS: dict[int, int] = {
    PacketType.PUBREL: 2,
    PacketType.SUBSCRIBE: 2,
    PacketType.UNSUBSCRIBE: 2,
}


# -- encoding ------------------------------------------------------------------------


def encode(packet: Packet, level: int = LEVEL_311) -> bytes:
    """The bytes of `packet` on a connection of `level`; what 3.1.1 cannot say is left out.

    Raises ValueError when a field does not fit its length.
    """

    def extras(properties: Properties) -> bytes:
        return write_properties(properties) if level == LEVEL_5 else b""

    def reasoned(first: int, start: bytes, reason: int, properties: Properties) -> bytes:
        if level == LEVEL_5 and (reason or properties != NO_PROPERTIES):
            start += bytes((reason,))
            if properties != NO_PROPERTIES:
                start += write_properties(properties)
        return _frame(first, start)

    match packet:
        case Connect():
            return _frame(0x10, _connect_body(packet))
        case Connack(code, session_present, properties):
            return _frame(0x20, bytes((session_present, code)) + extras(properties))
        case Publish(topic, payload, qos, retain, dup, packet_id, properties):
            rest = (U16.pack(packet_id) if qos else b"") + extras(properties) + payload
            first = 0x30 | dup << 3 | qos << 1 | retain
            return _frame(first, fields.text(topic) + rest)
        case Puback(packet_id, reason, properties):
            return reasoned(0x40, U16.pack(packet_id), reason, properties)
        case Pubrec(packet_id, reason, properties):
            return reasoned(0x50, U16.pack(packet_id), reason, properties)
        case Pubrel(packet_id, reason, properties):
            return reasoned(0x62, U16.pack(packet_id), reason, properties)
        case Pubcomp(packet_id, reason, properties):
            return reasoned(0x70, U16.pack(packet_id), reason, properties)
        case Subscribe(packet_id, filters, properties):
            parts = (fields.text(each) + bytes((options,)) for each, options in filters)
            return _frame(0x82, U16.pack(packet_id) + extras(properties) + b"".join(parts))
        case Suback(packet_id, codes, properties):
            return _frame(0x90, U16.pack(packet_id) + extras(properties) + bytes(codes))
        case Unsubscribe(packet_id, filters, properties):
            names = b"".join(map(fields.text, filters))
            return _frame(0xA2, U16.pack(packet_id) + extras(properties) + names)
        case Unsuback(packet_id, codes, properties):
            tail = extras(properties) + bytes(codes) if level == LEVEL_5 else b""
            return _frame(0xB0, U16.pack(packet_id) + tail)
        case Pingreq():
            return b"\xc0\x00"
        case Pingresp():
            return PINGRESP
        case Disconnect(reason, properties):
            return reasoned(0xE0, b"", reason, properties)
        case Auth(reason, properties):
            return reasoned(0xF0, b"", reason, properties)


def publish_head(
    topic: str, rest_bytes: int, qos: int, retain: bool = False, dup: bool = False
) -> bytes:
    """A PUBLISH up to its topic; packet id, properties and payload follow in `rest_bytes`."""
    name = topic.encode()
    size = len(name)
    first = 0x30 | dup << 3 | qos << 1 | retain
    return bytes((first,)) + fields.variable(2 + size + rest_bytes) + U16.pack(size) + name


def _frame(first: int, body: bytes) -> bytes:
    return bytes((first,)) + fields.variable(len(body)) + body


def _connect_body(packet: Connect) -> bytes:
    flags = packet.clean << 1
    name = "MQTT" if packet.level >= LEVEL_311 else "MQIsdp"
    five = packet.level == LEVEL_5
    tail = write_properties(packet.properties) if five else b""
    tail += fields.text(packet.client)
    if will := packet.will:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        if five:
            tail += write_properties(will.properties)
        tail += fields.text(will.topic) + fields.binary(will.payload)
    if packet.username is not None:
        flags |= 0x80
        tail += fields.text(packet.username)
    if packet.password is not None:
        flags |= 0x40
        tail += fields.binary(packet.password)
    head = fields.text(name) + bytes((packet.level, flags))
    return head + U16.pack(packet.keepalive_s) + tail
