"""MQTT 3.1.1 packets to bytes and back: pure functions, complete in both directions.

The server reads through `decoder.Decoder`, which has its own lane for PUBLISH and calls
`decode` for the rest. Encoders of what a server sends in numbers (`publish_head`, `ack`)
are functions of their own: no packet object is made for them.
"""

from collections.abc import Callable
from struct import Struct

from tocsin.broker.packets import (
    LEVEL_5,
    LEVEL_31,
    LEVEL_311,
    Connack,
    Connect,
    ConnectCode,
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
from tocsin.broker.topics import check_filter, check_topic

# The largest value the four bytes of a remaining length can say (MQTT 3.1.1, 2.2.3).
REMAINING_LENGTH_MAX = 268_435_455

PUBACK = 0x4002
PUBREC = 0x5002
PUBREL = 0x6202
PUBCOMP = 0x7002
PINGRESP = b"\xd0\x00"

_PROTOCOL_NAMES = {"MQTT": LEVEL_311, "MQIsdp": LEVEL_31}
_U16 = Struct(">H")


class MalformedPacketError(ValueError):
    """The peer broke the standard: its connection is closed [MQTT-4.8.0-1].

    `answer` is what the standard wants sent before the close; empty for nearly all.
    """

    def __init__(self, message: str, answer: bytes = b"") -> None:
        super().__init__(message)
        self.answer = answer


ack: Callable[[int, int], bytes] = Struct(">HH").pack
"""`ack(PUBACK, packet_id)`: the four bytes of PUBACK, PUBREC, PUBREL or PUBCOMP."""


# -- decoding ------------------------------------------------------------------------


class _Body:
    """Reads the fields of one packet's body in their order."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int, what: str) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise MalformedPacketError(f"{what} has {self.left()} bytes; expected {size}")
        part = self._data[self._at : end]
        self._at = end
        return part

    def u8(self, what: str) -> int:
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        return int.from_bytes(self.take(2, what), "big")

    def binary(self, what: str) -> bytes:
        return self.take(self.u16(what), what)

    def text(self, what: str) -> str:
        return decode_text(self.binary(what), what)

    def packet_id(self) -> int:
        packet_id = self.u16("packet id")
        if not packet_id:
            raise MalformedPacketError("packet id is 0; expected 1 to 65535")  # [MQTT-2.3.1-1]
        return packet_id

    def end(self, what: str) -> None:
        if self.left():
            raise MalformedPacketError(f"{what} has {self.left()} bytes too many; expected none")


def decode_text(raw: bytes, what: str) -> str:
    """The string in `raw`: UTF-8 without U+0000. A byte order mark stays [MQTT-1.5.3-3]."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:  # [MQTT-1.5.3-1]
        raise MalformedPacketError(f"{what} {raw[:64]!r} is not UTF-8: {error.reason}") from None
    if "\0" in text:  # [MQTT-1.5.3-2]
        raise MalformedPacketError(f"{what} {raw[:64]!r} has U+0000; expected none")
    return text


def decode_topic(raw: bytes, what: str = "topic") -> str:
    """The topic name in `raw`: a string, not empty and without wildcards."""
    topic = decode_text(raw, what)
    _checked(check_topic, topic)
    return topic


def decode(first: int, body: bytes) -> Packet:
    """The packet with first byte `first` and the bytes after its fixed header.

    Raises MalformedPacketError, naming the value and what was expected.
    """
    kind = first >> 4
    read = _DECODERS.get(kind)
    if read is None:
        raise MalformedPacketError(f"packet type is {kind}; expected 1 to 14")
    if kind != PacketType.PUBLISH and first & 15 != _FLAGS.get(kind, 0):  # [MQTT-2.2.2-2]
        name = PacketType(kind).name
        raise MalformedPacketError(f"{name} has flags {first & 15}; expected {_FLAGS.get(kind, 0)}")
    fields = _Body(body)
    packet = read(first, fields)
    fields.end(PacketType(kind).name)
    return packet


def _connect(_: int, body: _Body) -> Connect:
    name = body.text("protocol name")
    if name not in _PROTOCOL_NAMES:  # [MQTT-3.1.2-1]
        raise MalformedPacketError(f"protocol name is {name[:64]!r}; expected 'MQTT'")
    level = body.u8("protocol level")
    if level != _PROTOCOL_NAMES[name]:  # [MQTT-3.1.2-2]
        raise MalformedPacketError(
            f"protocol level is {level}; expected {_PROTOCOL_NAMES[name]}", _unacceptable(level)
        )
    flags = body.u8("connect flags")
    if flags & 0x01:
        raise MalformedPacketError("connect flag 0 is set; expected 0")  # [MQTT-3.1.2-3]
    keepalive_s = body.u16("keep alive")
    client = body.text("client id")
    will = _will(flags, body)
    username = body.text("user name") if flags & 0x80 else None
    if flags & 0x40 and not flags & 0x80:  # [MQTT-3.1.2-22]
        raise MalformedPacketError("password without user name; expected both or user name alone")
    password = body.binary("password") if flags & 0x40 else None
    return Connect(client, bool(flags & 0x02), keepalive_s, will, username, password, level)


def _unacceptable(level: int) -> bytes:
    """A CONNACK that the client of that protocol level can read: MQTT 5 has its own form."""
    if level >= LEVEL_5:
        return b"\x20\x03\x00\x84\x00"
    return encode(Connack(ConnectCode.UNACCEPTABLE_PROTOCOL))


def _will(flags: int, body: _Body) -> Will | None:
    qos = flags >> 3 & 3
    if not flags & 0x04:
        if flags & 0x38:  # [MQTT-3.1.2-11]
            raise MalformedPacketError("will QoS or retain without a will; expected 0")
        return None
    if qos == 3:
        raise MalformedPacketError("will QoS is 3; expected 0, 1 or 2")  # [MQTT-3.1.2-14]
    topic = decode_topic(body.binary("will topic"), "will topic")
    return Will(topic, body.binary("will payload"), qos, bool(flags & 0x20))


def _checked(check: Callable[[str], None], text: str) -> None:
    try:
        check(text)
    except ValueError as error:
        raise MalformedPacketError(str(error)) from None


def _connack(_: int, body: _Body) -> Connack:
    flags = body.u8("connack flags")
    if flags > 1:
        raise MalformedPacketError(f"connack flags are {flags}; expected 0 or 1")
    code = body.u8("return code")
    if code > max(ConnectCode):
        raise MalformedPacketError(f"return code is {code}; expected 0 to {max(ConnectCode)}")
    return Connack(ConnectCode(code), bool(flags))


def _publish(first: int, body: _Body) -> Publish:
    qos = publish_qos(first)
    topic = decode_topic(body.binary("topic"))
    packet_id = body.packet_id() if qos else 0
    payload = body.take(body.left(), "payload")
    return Publish(topic, payload, qos, bool(first & 1), bool(first & 8), packet_id)


def publish_qos(first: int) -> int:
    """The QoS in a PUBLISH's first byte."""
    qos = first >> 1 & 3
    if qos == 3:  # [MQTT-3.3.1-4]
        raise MalformedPacketError("QoS is 3; expected 0, 1 or 2")
    if first & 8 and not qos:  # [MQTT-3.3.1-2]
        raise MalformedPacketError("DUP is set at QoS 0; expected 0")
    return qos


def _subscribe(_: int, body: _Body) -> Subscribe:
    packet_id = body.packet_id()
    filters: list[tuple[str, int]] = []
    while body.left():
        topic_filter = body.text("filter")
        _checked(check_filter, topic_filter)
        qos = body.u8("requested QoS")
        if qos > 2:  # [MQTT-3.8.3-4]
            raise MalformedPacketError(f"requested QoS is {qos}; expected 0, 1 or 2")
        filters.append((topic_filter, qos))
    if not filters:
        raise MalformedPacketError("SUBSCRIBE has no filter; expected one")  # [MQTT-3.8.3-3]
    return Subscribe(packet_id, tuple(filters))


def _suback(_: int, body: _Body) -> Suback:
    return Suback(body.packet_id(), tuple(body.take(body.left(), "codes")))


def _unsubscribe(_: int, body: _Body) -> Unsubscribe:
    packet_id = body.packet_id()
    filters: list[str] = []
    while body.left():
        topic_filter = body.text("filter")
        _checked(check_filter, topic_filter)
        filters.append(topic_filter)
    if not filters:
        raise MalformedPacketError("UNSUBSCRIBE has no filter; expected one")  # [MQTT-3.10.3-2]
    return Unsubscribe(packet_id, tuple(filters))


_DECODERS: dict[int, Callable[[int, _Body], Packet]] = {
    PacketType.CONNECT: _connect,
    PacketType.CONNACK: _connack,
    PacketType.PUBLISH: _publish,
    PacketType.PUBACK: lambda _, body: Puback(body.packet_id()),
    PacketType.PUBREC: lambda _, body: Pubrec(body.packet_id()),
    PacketType.PUBREL: lambda _, body: Pubrel(body.packet_id()),
    PacketType.PUBCOMP: lambda _, body: Pubcomp(body.packet_id()),
    PacketType.SUBSCRIBE: _subscribe,
    PacketType.SUBACK: _suback,
    PacketType.UNSUBSCRIBE: _unsubscribe,
    PacketType.UNSUBACK: lambda _, body: Unsuback(body.packet_id()),
    PacketType.PINGREQ: lambda _, body: Pingreq(),
    PacketType.PINGRESP: lambda _, body: Pingresp(),
    PacketType.DISCONNECT: lambda _, body: Disconnect(),
}

# The lower four bits that are not 0 [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1].
_FLAGS: dict[int, int] = {
    PacketType.PUBREL: 2,
    PacketType.SUBSCRIBE: 2,
    PacketType.UNSUBSCRIBE: 2,
}


# -- encoding ------------------------------------------------------------------------


def encode(packet: Packet) -> bytes:
    """The bytes of `packet`. Raises ValueError when a field does not fit its length."""
    match packet:
        case Connect():
            return _frame(0x10, _connect_body(packet))
        case Connack(code, session_present):
            return bytes((0x20, 2, session_present, code))
        case Publish(topic, payload, qos, retain, dup, packet_id):
            head = publish_head(topic, len(payload), qos, retain, dup)
            return head + _U16.pack(packet_id) + payload if qos else head + payload
        case Puback(packet_id):
            return ack(PUBACK, packet_id)
        case Pubrec(packet_id):
            return ack(PUBREC, packet_id)
        case Pubrel(packet_id):
            return ack(PUBREL, packet_id)
        case Pubcomp(packet_id):
            return ack(PUBCOMP, packet_id)
        case Subscribe(packet_id, filters):
            parts = (_text(each) + bytes((qos,)) for each, qos in filters)
            return _frame(0x82, _U16.pack(packet_id) + b"".join(parts))
        case Suback(packet_id, codes):
            return _frame(0x90, _U16.pack(packet_id) + bytes(codes))
        case Unsubscribe(packet_id, filters):
            return _frame(0xA2, _U16.pack(packet_id) + b"".join(map(_text, filters)))
        case Unsuback(packet_id):
            return ack(0xB002, packet_id)
        case Pingreq():
            return b"\xc0\x00"
        case Pingresp():
            return PINGRESP
        case Disconnect():
            return b"\xe0\x00"


def publish_head(
    topic: str, payload_bytes: int, qos: int, retain: bool = False, dup: bool = False
) -> bytes:
    """A PUBLISH up to its topic. The packet id (QoS 1 and 2) and the payload follow it."""
    name = topic.encode()
    size = len(name)
    length = 2 + size + payload_bytes + (2 if qos else 0)
    first = 0x30 | dup << 3 | qos << 1 | retain
    return bytes((first,)) + remaining_length(length) + _U16.pack(size) + name


def remaining_length(length: int) -> bytes:
    """`length` in one to four bytes, seven bits each, least significant first."""
    if length < 128:
        return bytes((length,))
    if length > REMAINING_LENGTH_MAX:
        raise ValueError(f"packet has {length} bytes; expected at most {REMAINING_LENGTH_MAX}")
    digits = bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    digits.append(length)
    return bytes(digits)


def _frame(first: int, body: bytes) -> bytes:
    return bytes((first,)) + remaining_length(len(body)) + body


def _binary(value: bytes) -> bytes:
    if len(value) > 65_535:
        raise ValueError(f"field has {len(value)} bytes; expected at most 65535")
    return _U16.pack(len(value)) + value


def _text(value: str) -> bytes:
    return _binary(value.encode())


def _connect_body(packet: Connect) -> bytes:
    flags = packet.clean << 1
    name = "MQTT" if packet.level >= LEVEL_311 else "MQIsdp"
    tail = _text(packet.client)
    if will := packet.will:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        tail += _text(will.topic) + _binary(will.payload)
    if packet.username is not None:
        flags |= 0x80
        tail += _text(packet.username)
    if packet.password is not None:
        flags |= 0x40
        tail += _binary(packet.password)
    return _text(name) + bytes((packet.level, flags)) + _U16.pack(packet.keepalive_s) + tail
