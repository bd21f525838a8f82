"""A socket that speaks WebSocket, and the transport it is to the connection inside."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from tocsin.broker.listener import Caller
from tocsin.broker.reasons import Reason
from tocsin.broker.stream import peer_of
from tocsin.broker.websocket.frames import (
    CloseCode,
    FrameError,
    FrameReader,
    Opcode,
    close_frame,
    frame_head,
)
from tocsin.broker.websocket.handshake import (
    HEAD_BYTES,
    HandshakeRefused,
    accept_request,
    read_request,
    refusal_response,
)

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection
    from tocsin.broker.surroundings import Surroundings

_NO_SOCKET = "the WebSocket is not connected yet"

# From here on frame and payload are handed to the socket without being joined.
_JOIN_BYTES = 16_384


class FramedTransport(asyncio.Transport):
    """Owns the sending side: each write is one binary frame, close is a close frame.

    Buffers, limits and pauses are those of the socket itself, so that whoever writes here has
    the backpressure of TCP.
    """

    __slots__ = ("_closing", "_socket", "code")

    def __init__(self, socket: asyncio.Transport) -> None:
        super().__init__()
        self._socket = socket
        self._closing = False
        self.code = CloseCode.NORMAL
        """What the close frame will say."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closing or self._socket.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing():
            return
        head = frame_head(Opcode.BINARY, len(data))
        if len(data) < _JOIN_BYTES:
            self._socket.write(head + data)
        else:
            self._socket.writelines((head, data))

    def answer(self, ping: bytes) -> None:
        """Sends a pong; not to a peer that leaves so much unread that it would not see it."""
        high = self._socket.get_write_buffer_limits()[1]
        if not self.is_closing() and self._socket.get_write_buffer_size() < high:
            self._socket.write(frame_head(Opcode.PONG, len(ping)) + ping)

    def close(self) -> None:
        """Sends the close frame. The socket follows when the peer has answered it."""
        if not self.is_closing():
            self._closing = True
            self._socket.write(close_frame(self.code))
            self._socket.resume_reading()

    def abort(self) -> None:
        self._closing = True
        self._socket.abort()

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._socket.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._socket.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._socket.resume_reading()


class WebSocket(asyncio.Protocol):
    """Owns a socket from the first byte of its handshake; then `accept` makes the connection.

    It counts against the bounds on connections and has the connect timeout from the start.
    """

    __slots__ = (
        "_accept", "_around", "_caller", "_connection", "_deadline", "_frames", "_head", "_socket",
        "_transport",
    )  # fmt: skip

    def __init__(
        self, around: "Surroundings", caller: Caller, accept: Callable[[Caller], "Connection"]
    ) -> None:
        self._around = around
        self._caller = caller
        self._accept = accept
        self._head = b""
        self._deadline: asyncio.TimerHandle | None = None
        self._frames: FrameReader | None = FrameReader()
        self._socket: asyncio.Transport | None = None
        self._transport: FramedTransport | None = None
        self._connection: Connection | None = None

    @property
    def socket(self) -> asyncio.Transport:
        if self._socket is None:
            raise RuntimeError(_NO_SOCKET)
        return self._socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)
        around = self._around
        host, address = peer_of(transport)
        why = around.door.enter(self._caller, host, monotonic())
        if why is not None:
            around.refusals.add(why, address)
            self._socket.abort()
            return
        around.arriving.add(self)
        self._deadline = asyncio.get_running_loop().call_later(
            around.settings.connect_timeout_s, self._give_up
        )

    def cancel(self) -> None:
        """The server stops before there is a connection."""
        self.socket.abort()

    def _give_up(self) -> None:
        around = self._around
        around.clients.hits.add("connect_timeout_s")
        around.refusals.add("WebSocket handshake failed: not done in time", peer_of(self.socket)[1])
        self.socket.abort()

    def _arrived(self) -> None:
        self._around.arriving.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        if self._connection is None:
            self._around.door.leave(self._caller)
        else:
            self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._connection is None:
            self._shake(data)
        else:
            self._receive(data)

    def _shake(self, data: bytes) -> None:
        self._head += data
        if self.socket.is_closing():
            return
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end and len(self._head) <= HEAD_BYTES:
            return
        try:
            if len(head) > HEAD_BYTES:
                raise HandshakeRefused(431, f"request is over {HEAD_BYTES} bytes")
            here = str((self.socket.get_extra_info("sockname") or ("",))[0])
            here = f"[{here}]" if ":" in here else here
            request = read_request(head + end, here, self._caller.host)
            straight = self._around.check_request(request, self._caller.listener.origins)
            answer = accept_request(request)
        except HandshakeRefused as refused:
            self._around.refusals.add(
                f"WebSocket handshake failed: {refused.reason}", peer_of(self.socket)[1]
            )
            self.socket.write(refusal_response(refused))
            self.socket.close()
            return
        self._head = b""
        self._caller.trusted = self._caller.trusted and straight
        self._arrived()
        self.socket.write(answer)
        self._transport = FramedTransport(self.socket)
        self._connection = self._accept(self._caller)
        self._connection.connection_made(self._transport)
        if rest:
            self._receive(rest)

    def _receive(self, data: bytes) -> None:
        """Hot path: all frames of a segment are one call of the connection."""
        connection, transport = self._connection, self._transport
        if self._frames is None or connection is None or transport is None:
            return  # it broke the protocol: what follows has no meaning
        try:
            incoming = self._frames.feed(data)
        except FrameError as error:
            self._frames = None
            transport.code = error.code
            connection.close(f"malformed frame: {error}", Reason.PROTOCOL_ERROR)
            return
        if incoming.data:
            connection.data_received(incoming.data)
        if incoming.ping is not None:
            transport.answer(incoming.ping)
        if incoming.closed:
            self._frames = None
            transport.close()
            self.socket.close()
