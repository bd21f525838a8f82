"""Prebuilt MQTT 3.1.1 packets: a message costs the load generator one join of bytes.

Hot path: the generator must never be slower than the server it measures.
"""

import json
import struct
from random import Random

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
METRICS = ("temp_c", "pressure_bar", "flow_lpm", "vibration_mm_s")
NORMAL = (70.0, 1.5, 40.0, 1.9)
VARIANTS = 4
"""Different payloads of each device, so that neither values nor their lengths repeat at once."""
MS_BYTES = 13
STAMP_BYTES = MS_BYTES + 4
SEGMENT_VARIANTS = 8
LARGEST_SEGMENT = 1000 // SEGMENT_VARIANTS
"""Messages, so that all messages of all variants of a segment differ in their thousandths."""

PACKET_IDS = [struct.pack(">H", n) for n in range(65536)]
"""All packet ids as they stand on the wire; index 0 is no valid id."""


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


def connect(
    client: str,
    username: str | None = None,
    password: str | None = None,
    keepalive_s: int = 600,
) -> bytes:
    """CONNECT with a clean session."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = text("MQTT") + bytes((4, flags)) + struct.pack(">H", keepalive_s) + text(client)
    body += b"".join(text(part) for part in (username, password) if part is not None)
    return b"\x10" + length(len(body)) + body


def subscribe(topic_filter: str, qos: int) -> bytes:
    body = b"\x00\x01" + text(topic_filter) + bytes((qos,))
    return b"\x82" + length(len(body)) + body


def puback(packet_id: bytes) -> bytes:
    return b"\x40\x02" + packet_id


class Publications:
    """The PUBLISH packets of one device: everything fixed but packet id and time.

    State: whose turn it is of the variants.
    """

    __slots__ = ("_turn", "_variants")

    def __init__(self, device: str, metrics: int, qos: int, temp_c: float = NORMAL[0]) -> None:
        chance = Random(device)  # noqa: S311 - readings, not secrets
        self._turn = 0
        self._variants = [
            _packet(device, qos, _values(chance, metrics, temp_c), STAMP_BYTES)
            for _ in range(VARIANTS)
        ]

    def next(self, packet_id: bytes, stamp: bytes) -> bytes:
        """The device's next message. `packet_id` is empty at QoS 0; `stamp` is the time in ms, with
        three decimals."""
        self._turn = turn = (self._turn + 1) % VARIANTS
        head, tail = self._variants[turn]
        return b"".join((head, packet_id, b'{"ts":', stamp, tail))


class Segments:
    """Segments of several PUBLISH packets of one device: everything fixed but packet ids and ms.

    Each message has a time of its own, some microseconds after the one before: a device that
    repeats a time repeats a reading, and one that goes back has a bad clock. State: whose turn it
    is of the variants, and the last time.
    """

    __slots__ = ("_last_ms", "_qos", "_turn", "_variants", "size")

    def __init__(self, device: str, metrics: int, qos: int, size: int) -> None:
        if not 1 <= size <= LARGEST_SEGMENT:
            raise ValueError(
                f"{size} messages a segment are out of range; expected 1 to {LARGEST_SEGMENT}"
            )
        chance = Random(device)  # noqa: S311 - readings, not secrets
        self.size = size
        self._qos = qos
        self._turn = SEGMENT_VARIANTS - 1
        self._last_ms = 0
        self._variants: list[list[bytes]] = []
        for variant in range(SEGMENT_VARIANTS):
            parts: list[bytes] = []
            for n in range(size):
                fraction = f".{variant * size + n:03}"
                head, tail = _packet(device, qos, _values(chance, metrics), MS_BYTES, fraction)
                parts += (head, b"", b'{"ts":', b"", tail) if qos else (head + b'{"ts":', b"", tail)
            self._variants.append(parts)

    def next(self, packet_ids: list[bytes], now_ms: int) -> bytes:
        """The device's next segment. `packet_ids` are `size` ids, not looked at for QoS 0."""
        self._turn = turn = (self._turn + 1) % SEGMENT_VARIANTS
        # All thousandths of a ms are used up: the next round of variants begins with another ms.
        self._last_ms = max(now_ms, self._last_ms + (turn == 0))
        stamp = b"%d" % self._last_ms
        parts = self._variants[turn]
        if self._qos:
            parts[1::5] = packet_ids
            parts[3::5] = [stamp] * self.size
        else:
            parts[1::3] = [stamp] * self.size
        return b"".join(parts)


def _values(chance: Random, metrics: int, temp_c: float = NORMAL[0]) -> dict[str, float]:
    normal = (temp_c, *NORMAL[1:])
    pairs = zip(METRICS[:metrics], normal, strict=False)
    return {name: round(value * chance.uniform(0.97, 1.03), 2) for name, value in pairs}


def _packet(
    device: str, qos: int, values: dict[str, float], stamp_bytes: int, fraction: str = ""
) -> tuple[bytes, bytes]:
    """What stands before the packet id, and what follows the digits of the time."""
    tail = (fraction + "," + json.dumps(values, separators=(",", ":"))[1:]).encode()
    topic = text(f"devices/{device}/telemetry")
    size = len(topic) + (2 if qos else 0) + len(b'{"ts":') + stamp_bytes + len(tail)
    return bytes((0x30 | qos << 1,)) + length(size) + topic, tail
