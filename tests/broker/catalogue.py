"""Named packets: what well-formed ones mean, and which malformed ones the broker must refuse."""

from dataclasses import dataclass

from tocsin.broker.packets import (
    LEVEL_31,
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


@dataclass(frozen=True)
class WellFormed:
    name: str
    wire: bytes
    packet: Packet


@dataclass(frozen=True)
class Malformed:
    """`wire` is one packet; `why` is in the error that refuses it."""

    name: str
    wire: bytes
    why: str


WELL_FORMED = (
    WellFormed("connect", b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02c1", Connect("c1", True, 60)),
    WellFormed("connect without id", b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0", Connect("")),
    WellFormed(
        "connect with everything",
        b"\x10\x21\0\x04MQTT\x04\xec\0\x0a\0\x02c1\0\x01w\0\x04gone\0\x02me\0\x04\0pw\xff",
        Connect("c1", False, 10, Will("w", b"gone", 1, True), "me", b"\0pw\xff"),
    ),
    WellFormed(
        "connect of MQTT 3.1",
        b"\x10\x10\0\x06MQIsdp\x03\x02\0\0\0\x02c1",
        Connect("c1", level=LEVEL_31),
    ),
    WellFormed("connack", b"\x20\x02\x01\0", Connack(session_present=True)),
    WellFormed("connack refused", b"\x20\x02\0\x05", Connack(ConnectCode.NOT_AUTHORIZED)),
    WellFormed("publish", b"\x30\x06\0\x03a/bv", Publish("a/b", b"v")),
    WellFormed("publish empty", b"\x31\x03\0\x01a", Publish("a", b"", retain=True)),
    WellFormed(
        "publish at QoS 1 again", b"\x3a\x06\0\x01a\0\x07v", Publish("a", b"v", 1, False, True, 7)
    ),
    WellFormed(
        "publish at QoS 2", b"\x34\x05\0\x01a\xff\xff", Publish("a", b"", 2, packet_id=65_535)
    ),
    WellFormed(
        "publish with a byte order mark", b"\x30\x05\0\x03\xef\xbb\xbf", Publish("\ufeff", b"")
    ),
    WellFormed("puback", b"\x40\x02\x12\x34", Puback(0x1234)),
    WellFormed("pubrec", b"\x50\x02\0\x01", Pubrec(1)),
    WellFormed("pubrel", b"\x62\x02\0\x01", Pubrel(1)),
    WellFormed("pubcomp", b"\x70\x02\0\x01", Pubcomp(1)),
    WellFormed(
        "subscribe",
        b"\x82\x0d\0\x09\0\x03a/+\x01\0\x02/#\x02",
        Subscribe(9, (("a/+", 1), ("/#", 2))),
    ),
    WellFormed("suback", b"\x90\x04\0\x09\x01\x80", Suback(9, (1, 0x80))),
    WellFormed("unsubscribe", b"\xa2\x05\0\x09\0\x01#", Unsubscribe(9, ("#",))),
    WellFormed("unsuback", b"\xb0\x02\0\x09", Unsuback(9)),
    WellFormed("pingreq", b"\xc0\x00", Pingreq()),
    WellFormed("pingresp", b"\xd0\x00", Pingresp()),
    WellFormed("disconnect", b"\xe0\x00", Disconnect()),
)


def _connect(body: bytes) -> bytes:
    return bytes((0x10, len(body))) + body


MALFORMED_CONNECTS = (
    Malformed("foreign protocol", _connect(b"\0\x02hj\x04\x02\0\0\0\0"), "protocol name is 'hj'"),
    Malformed("MQTT 6", _connect(b"\0\x04MQTT\x06\x02\0\0\0\0\0"), "protocol level is 6"),
    Malformed("level of 3.1", _connect(b"\0\x04MQTT\x03\x02\0\0\0\0"), "protocol level is 3"),
    Malformed("reserved flag", _connect(b"\0\x04MQTT\x04\x03\0\0\0\0"), "connect flag 0 is set"),
    Malformed("will QoS alone", _connect(b"\0\x04MQTT\x04\x0a\0\0\0\0"), "without a will"),
    Malformed("will retain alone", _connect(b"\0\x04MQTT\x04\x22\0\0\0\0"), "without a will"),
    Malformed("will QoS 3", _connect(b"\0\x04MQTT\x04\x1e\0\0\0\0\0\x01w\0\0"), "will QoS is 3"),
    Malformed("will on a wildcard", _connect(b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01#\0\0"), "'#'"),
    Malformed(
        "password alone", _connect(b"\0\x04MQTT\x04\x42\0\0\0\0\0\x01p"), "without user name"
    ),
    Malformed("id cut off", _connect(b"\0\x04MQTT\x04\x02\0\0\0\x05abc"), "client id has 3 bytes"),
    Malformed("id not UTF-8", _connect(b"\0\x04MQTT\x04\x02\0\0\0\x01\xff"), "is not UTF-8"),
    Malformed("id with NUL", _connect(b"\0\x04MQTT\x04\x02\0\0\0\x01\0"), "U+0000"),
    Malformed("bytes left over", _connect(b"\0\x04MQTT\x04\x02\0\0\0\0more"), "4 bytes too many"),
    Malformed("no keep alive", _connect(b"\0\x04MQTT\x04\x02"), "keep alive has 0 bytes"),
    Malformed("flags in the header", b"\x11\x0c\0\x04MQTT\x04\x02\0\0\0\0", "CONNECT"),
)

MALFORMED = (
    Malformed("type 0", b"\x00\x00", "packet type is 0"),
    Malformed("type 15", b"\xf0\x00", "packet type is 15"),
    Malformed("QoS 3", b"\x36\x05\0\x01a\0\x01", "QoS is 3"),
    Malformed("DUP at QoS 0", b"\x38\x03\0\x01a", "DUP is set at QoS 0"),
    Malformed("topic with #", b"\x30\x05\0\x03a/#", "expected no wildcard"),
    Malformed("topic with +", b"\x30\x05\0\x03+/a", "expected no wildcard"),
    Malformed("topic empty", b"\x30\x02\0\0", "topic is empty"),
    Malformed("topic cut off", b"\x30\x04\0\x05ab", "expected"),
    Malformed("topic missing", b"\x30\x00", "expected"),
    Malformed("topic length cut off", b"\x30\x01\0", "expected"),
    Malformed("topic not UTF-8", b"\x30\x04\0\x02\xc3\x28", "is not UTF-8"),
    Malformed("topic with a surrogate", b"\x30\x05\0\x03\xed\xa0\x80", "is not UTF-8"),
    Malformed("topic with NUL", b"\x30\x05\0\x03a\0b", "U+0000"),
    Malformed("packet id 0", b"\x32\x05\0\x01a\0\0", "packet id is 0"),
    Malformed("packet id cut off", b"\x32\x04\0\x01a\0", "expected"),
    Malformed("puback too long", b"\x40\x03\0\x01\0", "too many"),
    Malformed("puback with flags", b"\x42\x02\0\x01", "PUBACK has flags 2"),
    Malformed("pubrel without flags", b"\x60\x02\0\x01", "PUBREL has flags 0"),
    Malformed("subscribe without flags", b"\x80\x06\0\x01\0\x01a\0", "SUBSCRIBE has flags 0"),
    Malformed("subscribe to nothing", b"\x82\x02\0\x01", "SUBSCRIBE has no filter"),
    Malformed("subscribe at QoS 3", b"\x82\x06\0\x01\0\x01a\x03", "requested QoS is 3"),
    Malformed("subscribe without QoS", b"\x82\x05\0\x01\0\x01a", "requested QoS has 0 bytes"),
    Malformed("subscribe with id 0", b"\x82\x06\0\0\0\x01a\0", "packet id is 0"),
    Malformed("filter empty", b"\x82\x05\0\x01\0\0\0", "filter is empty"),
    Malformed("filter with a#", b"\x82\x07\0\x01\0\x02a#\0", "expected '#' alone"),
    Malformed("filter with #/a", b"\x82\x08\0\x01\0\x03#/a\0", "expected it last"),
    Malformed("filter with a+/b", b"\x82\x09\0\x01\0\x04a+/b\0", "expected '+' alone"),
    Malformed("unsubscribe from nothing", b"\xa2\x02\0\x01", "UNSUBSCRIBE has no filter"),
    Malformed("unsubscribe without flags", b"\xa0\x05\0\x01\0\x01a", "UNSUBSCRIBE has flags 0"),
    Malformed("pingreq with a body", b"\xc0\x01\0", "too many"),
    Malformed("disconnect with flags", b"\xe1\x00", "DISCONNECT has flags 1"),
)

# Well formed, and for the other direction or the wrong moment.
MISPLACED = (
    Malformed("second connect", WELL_FORMED[0].wire, "CONNECT came twice"),
    Malformed("connack to the server", b"\x20\x02\0\0", "for servers to send"),
    Malformed("suback to the server", b"\x90\x03\0\x01\0", "for servers to send"),
    Malformed("unsuback to the server", b"\xb0\x02\0\x01", "for servers to send"),
    Malformed("pingresp to the server", b"\xd0\x00", "for servers to send"),
    Malformed("remaining length of 5 bytes", b"\x30\xff\xff\xff\xff\x01", "more than 4 bytes"),
    Malformed("300 KiB", b"\x30\x80\xe0\x12\0\x01t" + bytes(8_189), "expected at most 266240"),
    Malformed("300 KiB, all topic", b"\x30\x80\xe0\x12" + b"\xff" * 8_192, "at most 266240"),
)
