"""A connection without sockets: bytes in both directions wait until the schedule moves them."""

import asyncio
from collections.abc import Callable
from typing import Any

from tocsin.broker.codec import decode
from tocsin.broker.packets import Packet


class Wire(asyncio.Transport):
    """The server's end. What it wrote waits in `to_client`; what the client wrote, elsewhere."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_lost = on_lost
        self._closing = False
        self.to_client = bytearray()
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self.to_client += data

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._on_lost)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.1", 1) if name == "peername" else default


def take_packet(data: bytearray, level: int) -> Packet | None:
    """The first whole packet of `data`, taken off it; None: it is not whole yet."""
    length = shift = 0
    for at in range(1, min(len(data), 5)):
        length |= (data[at] & 127) << shift
        shift += 7
        if data[at] < 128:
            end = at + 1 + length
            if len(data) < end:
                return None
            packet = decode(data[0], bytes(data[at + 1 : end]), level)
            del data[:end]
            return packet
    return None
