"""The fields that packets are made of (section 1.5 of the standard), both directions."""

from collections.abc import Callable
from struct import Struct

from tocsin.broker.reasons import Reason
from tocsin.broker.topics import check_topic

# The largest value that four bytes of seven bits can say (MQTT 5, 1.5.5).
VARIABLE_MAX = 268_435_455

U16 = Struct(">H")
U32 = Struct(">I")


class MalformedPacketError(ValueError):
    """The peer broke the standard: its connection is closed [MQTT-4.8.0-1] [MQTT-4.13.1-1].

    `reason` is what a 5 client is told. `answer` is what the standard wants sent before the
    close where no session exists yet; empty for nearly all.
    """

    def __init__(
        self, message: str, reason: Reason = Reason.MALFORMED_PACKET, answer: bytes = b""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.answer = answer


class Body:
    """Reads the fields of one packet's body in their order."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    @property
    def at(self) -> int:
        """Where the next field begins in the data."""
        return self._at

    def left(self) -> int:
        return self._end - self._at

    def take(self, size: int, what: str) -> bytes:
        end = self._at + size
        if end > self._end:
            raise MalformedPacketError(f"{what} has {self.left()} bytes; expected {size}")
        part = self._data[self._at : end]
        self._at = end
        return part

    def part(self, size: int, what: str) -> "Body":
        """The next `size` bytes as a body of their own."""
        if size > self.left():
            raise MalformedPacketError(f"{what} have {self.left()} bytes; expected {size}")
        start = self._at
        self._at += size
        return Body(self._data, start, self._at)

    def u8(self, what: str) -> int:
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        return int.from_bytes(self.take(2, what), "big")

    def u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "big")

    def variable(self, what: str) -> int:
        """A number of one to four bytes, in its shortest form [MQTT-1.5.5-1]."""
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.u8(what)
            value |= (digit & 127) << shift
            if digit < 128:
                if shift and not digit:
                    raise MalformedPacketError(f"{what} {value} is padded; expected no zero digit")
                return value
        raise MalformedPacketError(f"{what} has more than 4 bytes")

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
    checked(check_topic, topic, Reason.TOPIC_NAME_INVALID)
    return topic


def checked(check: Callable[[str], None], text: str, reason: Reason) -> None:
    """Turns the ValueError of `check` into the peer's error."""
    try:
        check(text)
    except ValueError as error:
        raise MalformedPacketError(str(error), reason) from None


def variable(value: int) -> bytes:
    """`value` in one to four bytes (MQTT 3.1.1, 2.2.3; MQTT 5, 1.5.5)."""
    if value < 128:
        return bytes((value,))
    if value > VARIABLE_MAX:
        raise ValueError(f"packet has {value} bytes; expected at most {VARIABLE_MAX}")
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def binary(value: bytes) -> bytes:
    if len(value) > 65_535:
        raise ValueError(f"field has {len(value)} bytes; expected at most 65535")
    return U16.pack(len(value)) + value


def text(value: str) -> bytes:
    return binary(value.encode())
