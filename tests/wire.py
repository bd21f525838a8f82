"""MQTT 3.1.1 by hand, for tests that must see each packet: no client library between."""

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager


def connect_packet(client: str, keepalive_s: int = 60, clean: bool = True) -> bytes:
    name = client.encode()
    body = b"\x00\x04MQTT\x04" + bytes([2 if clean else 0]) + struct.pack(">H", keepalive_s)
    return _packet(0x10, body + struct.pack(">H", len(name)) + name)


def publish_packet(topic: str, payload: bytes, qos: int = 0, packet_id: int = 0) -> bytes:
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name
    if qos:
        body += struct.pack(">H", packet_id)
    return _packet(0x30 | qos << 1, body + payload)


def _packet(first: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        length.append(rest & 0x7F | (0x80 if rest > 0x7F else 0))
        rest >>= 7
        if not rest:
            return bytes([first]) + bytes(length) + body


@contextmanager
def connected(address: tuple[str, int], client: str) -> Generator[socket.socket]:
    """A socket whose CONNECT was accepted."""
    with socket.create_connection(address, timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(connect_packet(client))
        answer = sock.recv(4)
        assert answer[:2] == b"\x20\x02", f"expected CONNACK, got {answer!r}"
        assert answer[3] == 0, f"refused with {answer[3]}"
        yield sock


class Acks:
    """Counts PUBACKs in a stream of bytes and keeps their packet ids in order."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) // 4 * 4
        for at in range(0, whole, 4):
            kind, length, packet_id = struct.unpack_from(">BBH", data, at)
            assert (kind, length) == (0x40, 2), f"expected PUBACK, got {data[at : at + 4]!r}"
            self.ids.append(packet_id)
        self._rest = data[whole:]
