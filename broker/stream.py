"""The bytes of one connection: bounded writes, one per loop turn, and reading that can wait."""

import asyncio
from enum import IntFlag
from typing import cast

_NO_TRANSPORT = "the stream is not connected yet"


class Hold(IntFlag):
    """Why a stream is not read from now."""

    NONE = 0
    LOGIN = 1
    """Its CONNECT is being authenticated."""
    COMMIT = 2
    """The sink is behind."""
    TURN = 4
    """It had its share of this loop turn."""
    STOP = 8
    """The server stops: what comes now would not be acked."""
    RATE = 16
    """Its client sent faster than it may."""
    ADVICE = 32
    """Somebody is asked whether its client may do what it wants to."""


def peer_of(transport: asyncio.BaseTransport) -> tuple[str, str]:
    """The address of the peer, and the same with its port as host:port."""
    host, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
    return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Outbox:
    """Owns the streams that have something to write. Each is written once per loop turn."""

    __slots__ = ("_scheduled", "bytes_sent", "streams")

    def __init__(self) -> None:
        self._scheduled = False
        self.streams: list[Stream] = []
        self.bytes_sent = 0

    def add(self, stream: "Stream") -> None:
        self.streams.append(stream)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        # One that has still more to send is added again, for the next turn.
        streams, self.streams = self.streams, []
        for stream in streams:
            stream.flush()


class Stream(asyncio.Protocol):
    """Owns a transport and what is to be written to it.

    `send` always takes; `send_droppable` takes while the write buffer has room. Who has more
    to send than room sets `stalled` and is called back by `continue_sending`.
    """

    __slots__ = (
        "_limit",
        "_out",
        "_outbox",
        "_room",
        "_transport",
        "address",
        "closed",
        "holds",
        "host",
        "lost",
        "stalled",
    )

    def __init__(self, outbox: Outbox, write_buffer_bytes: int) -> None:
        self._outbox = outbox
        self._limit = write_buffer_bytes
        self._room = write_buffer_bytes
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.address = ""
        """The peer as host:port."""
        self.host = ""
        self.holds = Hold.NONE
        self.stalled = False
        self.closed = False
        self.lost = False
        """The socket is gone; `closed` follows, perhaps not at once."""

    @property
    def transport(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError(_NO_TRANSPORT)
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limit // 2)
        self.host, self.address = peer_of(transport)

    # -- writing -----------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Bytes that may still be written before the buffer is full."""
        return self._room

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the peer did not take yet."""
        return 0 if self._transport is None else self._limit - self._room

    def send(self, data: bytes) -> None:
        if not self._out:
            self._outbox.add(self)
        self._out.append(data)
        self._room -= len(data)

    def send_parts(self, parts: tuple[bytes, ...], size: int) -> None:
        """Sends parts of together `size` bytes one after the other."""
        if not self._out:
            self._outbox.add(self)
        self._out += parts
        self._room -= size

    def send_droppable(self, packet: bytes) -> bool:
        """False: the peer is too slow, `packet` is not sent. Called for every QoS 0 delivery."""
        room = self._room - len(packet)
        if room < 0:
            # What was written at the start of this turn may have left since.
            self.flush()
            room = self._room - len(packet)
            if room < 0:
                return False
        self._room = room
        if not self._out:
            self._outbox.add(self)
        self._out.append(packet)
        return True

    def flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        out = self._out
        if out:
            self._out = []
            if self.lost or (self.closed and transport.is_closing()):
                return
            joined = out[0] if len(out) == 1 else b"".join(out)
            self._outbox.bytes_sent += len(joined)
            transport.write(joined)
        self._room = self._limit - transport.get_write_buffer_size()
        if self.stalled and self._room > 0:
            self.stalled = False
            self.continue_sending()
        elif self._room < -self._limit:
            self.unread()

    def resume_writing(self) -> None:
        self.flush()

    def continue_sending(self) -> None:
        """There is room again after `stalled` was set."""

    def unread(self) -> None:
        """What had to be sent fills the write buffer twice: the peer reads no answers."""

    # -- reading -----------------------------------------------------------------------

    def hold(self, why: Hold) -> None:
        """Stops reading until every reason is released."""
        if not self.holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self.holds |= why

    def release(self, why: Hold) -> None:
        if self.holds:
            self.holds &= ~why
            if not self.holds and not self.transport.is_closing():
                self.transport.resume_reading()
