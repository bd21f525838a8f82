"""Properties, the named extras of MQTT 5 packets (section 2.2.2): one table, both directions."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from tocsin.broker import fields
from tocsin.broker.fields import Body, MalformedPacketError, decode_topic
from tocsin.broker.reasons import Reason


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What a packet carries beside its fields; None or empty: not there."""

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_ids: tuple[int, ...] = ()
    session_expiry_s: int | None = None
    assigned_client: str | None = None
    server_keepalive_s: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_s: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user: tuple[tuple[str, str], ...] = ()
    """Names and values in their order; a name may come more than once."""
    maximum_packet_bytes: int | None = None
    wildcards_available: int | None = None
    subscription_ids_available: int | None = None
    shared_available: int | None = None


NO_PROPERTIES = Properties()


class Place(StrEnum):
    """Where properties are found: a packet, or the will inside CONNECT."""

    CONNECT = "CONNECT"
    WILL = "will"
    CONNACK = "CONNACK"
    PUBLISH = "PUBLISH"
    PUBACK = "PUBACK"
    PUBREC = "PUBREC"
    PUBREL = "PUBREL"
    PUBCOMP = "PUBCOMP"
    SUBSCRIBE = "SUBSCRIBE"
    SUBACK = "SUBACK"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    UNSUBACK = "UNSUBACK"
    DISCONNECT = "DISCONNECT"
    AUTH = "AUTH"


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a value is read and written."""

    read: Callable[[Body, str], Any]
    write: Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class _Row:
    """One property: its id, its field in `Properties`, its form, where it may be."""

    id: int
    field: str
    kind: _Kind
    places: frozenset[Place]
    many: bool = False
    """It may come more than once."""
    zero: bool = True
    """Its value may be 0."""
    highest: int | None = None


def _pair(body: Body, what: str) -> tuple[str, str]:
    return body.text(what), body.text(what)


def _topic(body: Body, what: str) -> str:
    return decode_topic(body.binary(what), what)  # [MQTT-3.3.2-14]


def _write_byte(value: int) -> bytes:
    return bytes((value,))


def _write_pair(value: tuple[str, str]) -> bytes:
    return fields.text(value[0]) + fields.text(value[1])


_BYTE = _Kind(Body.u8, _write_byte)
_TWO = _Kind(Body.u16, fields.U16.pack)
_FOUR = _Kind(Body.u32, fields.U32.pack)
_VARIABLE = _Kind(Body.variable, fields.variable)
_BINARY = _Kind(Body.binary, fields.binary)
_TEXT = _Kind(Body.text, fields.text)
_TOPIC = _Kind(_topic, fields.text)
_PAIR = _Kind(_pair, _write_pair)


def _in(*places: Place) -> frozenset[Place]:
    return frozenset(places)


_MESSAGE = _in(Place.PUBLISH, Place.WILL)
_AUTHENTICATION = _in(Place.CONNECT, Place.CONNACK, Place.AUTH)
_ANSWERS = frozenset(Place) - _in(
    Place.CONNECT, Place.WILL, Place.PUBLISH, Place.SUBSCRIBE, Place.UNSUBSCRIBE
)

# Table 2-4. Message expiry is the first of those that a message carries on: `expiry_of`.
_TABLE = (
    _Row(0x02, "message_expiry_s", _FOUR, _MESSAGE),
    _Row(0x01, "payload_format", _BYTE, _MESSAGE, highest=1),
    _Row(0x03, "content_type", _TEXT, _MESSAGE),
    _Row(0x08, "response_topic", _TOPIC, _MESSAGE),
    _Row(0x09, "correlation_data", _BINARY, _MESSAGE),
    _Row(
        0x0B, "subscription_ids", _VARIABLE, _in(Place.PUBLISH, Place.SUBSCRIBE),
        many=True, zero=False,
    ),
    _Row(0x11, "session_expiry_s", _FOUR, _in(Place.CONNECT, Place.CONNACK, Place.DISCONNECT)),
    _Row(0x12, "assigned_client", _TEXT, _in(Place.CONNACK)),
    _Row(0x13, "server_keepalive_s", _TWO, _in(Place.CONNACK)),
    _Row(0x15, "authentication_method", _TEXT, _AUTHENTICATION),
    _Row(0x16, "authentication_data", _BINARY, _AUTHENTICATION),
    _Row(0x17, "request_problem_information", _BYTE, _in(Place.CONNECT), highest=1),
    _Row(0x18, "will_delay_s", _FOUR, _in(Place.WILL)),
    _Row(0x19, "request_response_information", _BYTE, _in(Place.CONNECT), highest=1),
    _Row(0x1A, "response_information", _TEXT, _in(Place.CONNACK)),
    _Row(0x1C, "server_reference", _TEXT, _in(Place.CONNACK, Place.DISCONNECT)),
    _Row(0x1F, "reason_string", _TEXT, _ANSWERS),
    _Row(0x21, "receive_maximum", _TWO, _in(Place.CONNECT, Place.CONNACK), zero=False),
    _Row(0x22, "topic_alias_maximum", _TWO, _in(Place.CONNECT, Place.CONNACK)),
    _Row(0x23, "topic_alias", _TWO, _in(Place.PUBLISH)),
    _Row(0x24, "maximum_qos", _BYTE, _in(Place.CONNACK), highest=1),
    _Row(0x25, "retain_available", _BYTE, _in(Place.CONNACK), highest=1),
    _Row(0x26, "user", _PAIR, frozenset(Place), many=True),
    _Row(0x27, "maximum_packet_bytes", _FOUR, _in(Place.CONNECT, Place.CONNACK), zero=False),
    _Row(0x28, "wildcards_available", _BYTE, _in(Place.CONNACK), highest=1),
    _Row(0x29, "subscription_ids_available", _BYTE, _in(Place.CONNACK), highest=1),
    _Row(0x2A, "shared_available", _BYTE, _in(Place.CONNACK), highest=1),
)  # fmt: skip

_BY_ID = {row.id: row for row in _TABLE}
_MANY = frozenset(row.field for row in _TABLE if row.many)


def read_properties(body: Body, place: Place) -> Properties:
    """The properties at `body`, with their length before them."""
    size = body.variable("property length")
    if not size:
        return NO_PROPERTIES
    part = body.part(size, "properties")
    found: dict[str, Any] = {}
    while part.left():
        number = part.variable("property id")
        row = _BY_ID.get(number)
        if row is None:
            raise MalformedPacketError(f"property id is {number:#04x}; expected one of table 2-4")
        if place not in row.places:  # [MQTT-2.2.2-2] and 4.13: a protocol error
            raise MalformedPacketError(
                f"{place} has {row.field}; expected it elsewhere", Reason.PROTOCOL_ERROR
            )
        value = row.kind.read(part, row.field)
        _check_value(row, value)
        if row.many and not (place is Place.SUBSCRIBE and row.field == "subscription_ids"):
            found.setdefault(row.field, []).append(value)
        elif row.field in found:
            raise MalformedPacketError(
                f"{place} has {row.field} twice; expected it once", Reason.PROTOCOL_ERROR
            )
        else:
            found[row.field] = [value] if row.many else value
    for field in found:
        if field in _MANY:
            found[field] = tuple(found[field])
    return Properties(**found)


def _check_value(row: _Row, value: Any) -> None:
    if not row.zero and value == 0:
        raise MalformedPacketError(f"{row.field} is 0; expected at least 1", Reason.PROTOCOL_ERROR)
    if row.highest is not None and value > row.highest:
        raise MalformedPacketError(
            f"{row.field} is {value}; expected at most {row.highest}", Reason.PROTOCOL_ERROR
        )


def write_properties(properties: Properties) -> bytes:
    """The bytes of `properties`, their length before them."""
    if properties is NO_PROPERTIES:
        return b"\0"
    content = _content(properties)
    return fields.variable(len(content)) + content


def _content(properties: Properties) -> bytes:
    parts: list[bytes] = []
    for row in _TABLE:
        value = getattr(properties, row.field)
        if value is None:
            continue
        values = value if row.many else (value,)
        parts.extend(bytes((row.id,)) + row.kind.write(each) for each in values)
    return b"".join(parts)


# -- what a message carries on -----------------------------------------------------------


def passed_on(properties: Properties) -> bytes | None:
    """What a receiver gets of a publisher's or a will's properties, encoded; None: nothing.

    [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
    """
    kept = msgspec.structs.replace(properties, topic_alias=None, will_delay_s=None)
    return _content(kept) or None


def expiry_of(passed: bytes | None) -> int | None:
    """The message expiry in seconds at the head of what `passed_on` made."""
    return int.from_bytes(passed[1:5], "big") if passed and passed[0] == 0x02 else None


def without_expiry(passed: bytes | None) -> bytes:
    if not passed:
        return b""
    return passed[5:] if passed[0] == 0x02 else passed


def message_properties(
    passed: bytes, expiry_s: int | None, subscription_ids: tuple[int, ...], alias: int
) -> bytes:
    """The properties of a PUBLISH to a subscriber, with their length. `alias` 0: none.

    `passed` comes from `without_expiry`; the expiry goes down by the time spent here
    [MQTT-3.3.2-6].
    """
    content = passed
    if expiry_s is not None:
        content = b"\x02" + fields.U32.pack(expiry_s) + content
    for each in subscription_ids:
        content += b"\x0b" + fields.variable(each)
    if alias:
        content += b"\x23" + fields.U16.pack(alias)
    return fields.variable(len(content)) + content
