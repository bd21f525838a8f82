"""Named packets of MQTT 5, on a connection of that version."""

from tests.broker.catalogue import Malformed, WellFormed
from tocsin.broker.packets import (
    LEVEL_5,
    NO_LOCAL,
    RETAIN_AS_PUBLISHED,
    RETAIN_NEVER,
    Auth,
    Connack,
    Connect,
    Disconnect,
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
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import Reason


def _connect(body: bytes) -> bytes:
    return bytes((0x10, len(body))) + body


CONNECTS5 = (
    WellFormed(
        "connect", b"\x10\x0f\0\x04MQTT\x05\x02\0\x3c\0\0\x02c1", Connect("c1", True, 60, level=5)
    ),
    WellFormed(
        "connect with a password alone",
        b"\x10\x11\0\x04MQTT\x05\x40\0\0\0\0\0\0\x02pw",
        Connect("", False, 0, None, None, b"pw", LEVEL_5),
    ),
    WellFormed(
        "connect with properties and a will with its own",
        _connect(
            b"\0\x04MQTT\x05\x06\0\0"
            b"\x12\x11\0\0\0\x3c\x17\0\x21\0\x05\x22\0\x07\x27\0\0\x10\0"
            b"\0\x01c\x07\x01\x01\x18\0\0\0\x09\0\x01w\0\x04gone"
        ),
        Connect(
            "c",
            will=Will("w", b"gone", properties=Properties(payload_format=1, will_delay_s=9)),
            level=LEVEL_5,
            properties=Properties(
                session_expiry_s=60,
                request_problem_information=0,
                receive_maximum=5,
                topic_alias_maximum=7,
                maximum_packet_bytes=4_096,
            ),
        ),
    ),
)

WELL_FORMED5 = (
    WellFormed("connack", b"\x20\x03\x01\0\0", Connack(Reason.SUCCESS, True)),
    WellFormed(
        "connack with properties",
        b"\x20\x0a\0\x87\x07\x1f\0\x01n\x13\0\x09",
        Connack(
            Reason.NOT_AUTHORIZED,
            properties=Properties(server_keepalive_s=9, reason_string="n"),
        ),
    ),
    WellFormed("publish", b"\x30\x05\0\x01a\0v", Publish("a", b"v")),
    WellFormed(
        "publish with properties",
        b"\x32\x1f\0\x01a\0\x07\x18\x02\0\0\0\x05\x26\0\x01k\0\x01v\x26\0\x01k\0\x01w\x0b\x80\x01"
        b"\x01\x00v",
        Publish(
            "a",
            b"v",
            1,
            packet_id=7,
            properties=Properties(
                message_expiry_s=5,
                payload_format=0,
                user=(("k", "v"), ("k", "w")),
                subscription_ids=(128,),
            ),
        ),
    ),
    WellFormed(
        "publish by alias",
        b"\x30\x07\0\0\x03\x23\0\x01v",
        Publish("", b"v", properties=Properties(topic_alias=1)),
    ),
    WellFormed("puback", b"\x40\x02\0\x01", Puback(1)),
    WellFormed("puback with reason", b"\x40\x03\0\x01\x87", Puback(1, 0x87)),
    WellFormed(
        "pubrec with properties",
        b"\x50\x08\0\x01\x10\x04\x1f\0\x01w",
        Pubrec(1, 0x10, Properties(reason_string="w")),
    ),
    WellFormed("pubrel with reason", b"\x62\x03\0\x01\x92", Pubrel(1, 0x92)),
    WellFormed("pubcomp", b"\x70\x02\0\x01", Pubcomp(1)),
    WellFormed(
        "subscribe with options and identifier",
        b"\x82\x0a\0\x09\x02\x0b\x05\0\x02a/\x2d",
        Subscribe(
            9,
            (("a/", 1 | NO_LOCAL | RETAIN_AS_PUBLISHED | RETAIN_NEVER),),
            Properties(subscription_ids=(5,)),
        ),
    ),
    WellFormed("suback", b"\x90\x05\0\x09\0\x02\x87", Suback(9, (2, 0x87))),
    WellFormed("unsubscribe", b"\xa2\x06\0\x09\0\0\x01#", Unsubscribe(9, ("#",))),
    WellFormed("unsuback", b"\xb0\x05\0\x09\0\0\x11", Unsuback(9, (0, 0x11))),
    WellFormed("disconnect", b"\xe0\x00", Disconnect()),
    WellFormed("disconnect with will", b"\xe0\x01\x04", Disconnect(4)),
    WellFormed(
        "disconnect with expiry",
        b"\xe0\x07\0\x05\x11\0\0\0\x01",
        Disconnect(0, Properties(session_expiry_s=1)),
    ),
    WellFormed(
        "auth",
        b"\xf0\x06\x18\x04\x15\0\x01m",
        Auth(0x18, Properties(authentication_method="m")),
    ),
)

# Well formed in another way than it is written here: what may be left out is there.
LONG_FORMS = (
    WellFormed("puback of four bytes", b"\x40\x04\0\x01\0\0", Puback(1)),
    WellFormed("disconnect with no properties", b"\xe0\x02\0\0", Disconnect()),
)

MALFORMED_CONNECTS5 = (
    Malformed("properties cut off", _connect(b"\0\x04MQTT\x05\x02\0\0\x05\x11\0\0"), "properties"),
    Malformed(
        "session expiry twice",
        _connect(b"\0\x04MQTT\x05\x02\0\0\x0a\x11\0\0\0\1\x11\0\0\0\1\0\0"),
        "session_expiry_s twice",
    ),
    Malformed(
        "receive maximum 0", _connect(b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\0"), "receive_maximum"
    ),
    Malformed(
        "packet size 0",
        _connect(b"\0\x04MQTT\x05\x02\0\0\x05\x27\0\0\0\0\0\0"),
        "maximum_packet_bytes is 0",
    ),
    Malformed(
        "problem information 2",
        _connect(b"\0\x04MQTT\x05\x02\0\0\x02\x17\x02\0\0"),
        "expected at most 1",
    ),
    Malformed(
        "will delay outside the will",
        _connect(b"\0\x04MQTT\x05\x02\0\0\x05\x18\0\0\0\1\0\0"),
        "will_delay_s",
    ),
    Malformed(
        "authentication data alone",
        _connect(b"\0\x04MQTT\x05\x02\0\0\x04\x16\0\1x\0\0"),
        "expected a method",
    ),
)

MALFORMED5 = (
    Malformed("publish without properties", b"\x30\x03\0\x01a", "property length"),
    Malformed("property length cut off", b"\x30\x04\0\x01a\x80", "property length"),
    Malformed("property length of 5 bytes", b"\x30\x08\0\1a\x80\x80\x80\x80\1", "more than 4"),
    Malformed("property length padded", b"\x30\x05\0\1a\x80\0", "padded"),
    Malformed("properties too long", b"\x30\x05\0\1a\x09v", "properties have"),
    Malformed("unknown property", b"\x30\x06\0\1a\x02\x7f\0", "property id is 0x7f"),
    Malformed("format twice", b"\x30\x08\0\1a\x04\1\0\1\0", "payload_format twice"),
    Malformed("format 2", b"\x30\x06\0\1a\x02\1\x02", "payload_format is 2"),
    Malformed("expiry cut off", b"\x30\x07\0\1a\x03\x02\0\0", "message_expiry_s has 2 bytes"),
    Malformed("content type not UTF-8", b"\x30\x08\0\1a\x04\x03\0\1\xff", "not UTF-8"),
    Malformed("response topic with #", b"\x30\x08\0\1a\x04\x08\0\1#", "no wildcard"),
    Malformed("reason string in publish", b"\x30\x08\0\1a\x04\x1f\0\1x", "reason_string"),
    Malformed("alias 0", b"\x30\x07\0\1a\x03\x23\0\0", "topic alias is 0"),
    Malformed("alias too high", b"\x30\x07\0\1a\x03\x23\xff\xff", "topic alias is 65535"),
    Malformed("alias unknown", b"\x30\x06\0\0\x03\x23\0\x05", "stands for nothing"),
    Malformed("topic empty without alias", b"\x30\x03\0\0\0", "topic is empty"),
    Malformed("identifier from a client", b"\x30\x06\0\1a\x02\x0b\1", "subscription identifier"),
    Malformed("subscribe identifier 0", b"\x82\x09\0\1\x02\x0b\0\0\1a\0", "subscription_ids is 0"),
    Malformed(
        "subscribe identifier twice",
        b"\x82\x0b\0\1\x04\x0b\1\x0b\x02\0\1a\0",
        "subscription_ids twice",
    ),
    Malformed("options reserved", b"\x82\x07\0\1\0\0\1a\x40", "bits 6 and 7"),
    Malformed("retain handling 3", b"\x82\x07\0\1\0\0\1a\x30", "retain handling"),
    Malformed("no local when shared", b"\x82\x10\0\1\0\0\x0a$share/g/a\x04", "is shared"),
    Malformed("subscribe to nothing", b"\x82\x03\0\1\0", "has no filter"),
    Malformed("puback with wrong property", b"\x40\x09\0\1\0\5\x11\0\0\0\1", "session_expiry_s"),
    Malformed("puback too long", b"\x40\x05\0\1\0\0x", "too many"),
)
