"""The frames of WebSocket (RFC 6455), as a server reads and writes them. Pure: bytes in, bytes out.

MQTT is a stream that frames carry in pieces of any size [MQTT-6.0.0-2]: the payload of a frame
is handed on as it comes, so that no frame is ever gathered and none is too large.
"""

from dataclasses import dataclass
from enum import IntEnum

CONTROL_BYTES = 125
"""The longest payload of a control frame (5.5)."""


class Opcode(IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Why a WebSocket ends (7.4.1)."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003


class FrameError(ValueError):
    """What the peer sent is no frame that may come; `code` is what the close frame says."""

    def __init__(self, why: str, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.code = code


@dataclass(slots=True)
class Incoming:
    """What some bytes brought. `ping` is the newest one: only that needs an answer (5.5.3)."""

    data: bytes = b""
    ping: bytes | None = None
    closed: bool = False
    """A close frame came: nothing follows."""


class FrameReader:
    """Owns the head of a frame that is not complete yet, and the place within a payload."""

    __slots__ = ("_fragmented", "_left", "_mask", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0
        self._mask = b""
        self._fragmented = False

    def feed(self, data: bytes) -> Incoming:
        """The next bytes of the peer. Raises FrameError; nothing may be fed after that."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        incoming = Incoming()
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while not incoming.closed:
            if self._left:
                at = self._take(data, at, pieces)
                if self._left:
                    break
            head_end = self._head(data, at, end, incoming)
            if head_end < 0:
                self._rest = data[at:]
                break
            at = head_end
        incoming.data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return incoming

    def _take(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Unmasks what there is of the payload; where it ends."""
        piece = data[at : at + self._left]
        size = len(piece)
        if size:
            pieces.append(_unmask(piece, self._mask))
            self._left -= size
            turn = size & 3
            self._mask = self._mask[turn:] + self._mask[:turn]
        return at + size

    def _head(self, data: bytes, at: int, end: int, incoming: Incoming) -> int:
        """Reads a frame's head, and a control frame whole; where it ends, -1: not all is there."""
        if end - at < 2:
            return -1
        first, second = data[at], data[at + 1]
        if first & 0x70:
            raise FrameError("frame has reserved bits; expected no extension")
        if not second & 0x80:
            raise FrameError("frame is not masked; expected a client's")
        opcode, final, length = first & 0x0F, bool(first & 0x80), second & 0x7F
        at += 2
        if opcode & 0x8:
            return self._control(data, at, end, opcode, length if final else 126, incoming)
        size = {126: 2, 127: 8}.get(length, 0)
        if end - at < size + 4:
            return -1
        if size:
            length = int.from_bytes(data[at : at + size])
            if length < 126 or length >> 63 or (size == 8 and length < 65_536):
                raise FrameError("frame's length is not in its shortest form")
            at += size
        self._begin(opcode, final)
        self._left = length
        self._mask = data[at : at + 4]
        return at + 4

    def _begin(self, opcode: int, final: bool) -> None:
        if opcode == Opcode.TEXT:  # [MQTT-6.0.0-1]
            raise FrameError("text frame; expected binary ones", CloseCode.UNSUPPORTED_DATA)
        if opcode not in (Opcode.BINARY, Opcode.CONTINUATION):
            raise FrameError(f"frame has opcode {opcode:#x}; expected binary")
        if self._fragmented != (opcode == Opcode.CONTINUATION):
            raise FrameError("frame out of place among the fragments of a message")
        self._fragmented = not final

    def _control(
        self, data: bytes, at: int, end: int, opcode: int, length: int, incoming: Incoming
    ) -> int:
        if length > CONTROL_BYTES:
            raise FrameError("control frame in fragments, or longer than 125 bytes")
        if end - at < 4 + length:
            return -1
        payload = _unmask(data[at + 4 : at + 4 + length], data[at : at + 4])
        if opcode == Opcode.CLOSE:
            incoming.closed = True
        elif opcode == Opcode.PING:
            incoming.ping = payload
        elif opcode != Opcode.PONG:
            raise FrameError(f"frame has opcode {opcode:#x}; expected close, ping or pong")
        return at + 4 + length


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """As numbers: 64 KiB take 20 µs, byte by byte 5 ms."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def frame_head(opcode: Opcode, length: int) -> bytes:
    """The head of a whole frame of a server, which is not masked."""
    first = 0x80 | opcode
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2)
    return bytes((first, 127)) + length.to_bytes(8)


def close_frame(code: CloseCode) -> bytes:
    return frame_head(Opcode.CLOSE, 2) + code.to_bytes(2)
