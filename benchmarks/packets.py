"""Prebuilt MQTT 3.1.1 packets: a message costs the load generator one join of bytes."""

import json
import struct
from collections.abc import Sequence
from random import Random

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
METRICS = ("temp_c", "pressure_bar", "flow_lpm", "vibration_mm_s")
NORMAL = (70.0, 1.5, 40.0, 1.9)
VARIANTS = 4
"""Different payloads of each device, so that neither values nor their lengths repeat at once."""


def length(size: int) -> bytes:
    """The remaining length as a variable byte integer (MQTT 3.1.1, 2.2.3)."""
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def connect(client: str, keepalive_s: int = 600) -> bytes:
    body = text("MQTT") + b"\x04\x02" + struct.pack(">H", keepalive_s) + text(client)
    return b"\x10" + length(len(body)) + body


def subscribe(topic_filter: str, qos: int) -> bytes:
    body = b"\x00\x01" + text(topic_filter) + bytes((qos,))
    return b"\x82" + length(len(body)) + body


def puback(packet_id: bytes) -> bytes:
    return b"\x40\x02" + packet_id


class Publications:
    """The PUBLISH packets of one device: everything fixed but packet id and time.

    A packet is `head + packet_id + time + tail`, where head ends with the topic (QoS 0: with
    the payload's first bytes, and `packet_id` is empty).
    """

    __slots__ = ("_qos", "_turn", "_variants")

    def __init__(self, device: str, metrics: int, qos: int, temp_c: float = NORMAL[0]) -> None:
        chance = Random(device)
        self._qos = qos
        self._turn = 0
        self._variants = [
            _variant(device, qos, _values(chance, metrics, temp_c)) for _ in range(VARIANTS)
        ]

    def next(self, packet_id: bytes, stamp: bytes) -> bytes:
        """The device's next message, with 13 digits of milliseconds as its time."""
        self._turn = turn = (self._turn + 1) % VARIANTS
        head, tail = self._variants[turn]
        return b"".join((head, packet_id, b'{"ts":', stamp, tail))


def _values(chance: Random, metrics: int, temp_c: float) -> dict[str, float]:
    normal = (temp_c, *NORMAL[1:])
    pairs = zip(METRICS[:metrics], normal, strict=False)
    return {name: round(value * chance.uniform(0.97, 1.03), 2) for name, value in pairs}


def _variant(device: str, qos: int, values: dict[str, float]) -> tuple[bytes, bytes]:
    tail = ("," + json.dumps(values, separators=(",", ":"))[1:]).encode()
    topic = text(f"devices/{device}/telemetry")
    size = len(topic) + (2 if qos else 0) + len(b'{"ts":') + 13 + len(tail)
    return bytes((0x30 | qos << 1,)) + length(size) + topic, tail


def packet_ids() -> Sequence[bytes]:
    """All packet ids as they stand on the wire; index 0 is no valid id."""
    return [struct.pack(">H", n) for n in range(65536)]
