"""A client's side of one MQTT connection that has a will and publishes to one topic.

It lives on the event loop and has no pings of its own. What the loop publishes keeps the connection
alive, so that a loop which hangs looks from outside as what it is: the other broker tells the will.
"""

import asyncio
from typing import cast

from tocsin.broker.codec import decode, encode
from tocsin.broker.fields import Body, MalformedPacketError
from tocsin.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    Puback,
    Publish,
)
from tocsin.broker.reasons import ConnectCode, Reason

MOST_BYTES = 16_384
"""Bytes of a packet that is read: acknowledgements come, the longest with a reason in text."""

ANOTHER_VERSION = b"\x01"
"""What a broker without MQTT 5 says to a CONNECT of it, in the form of 3.1.1 (table 3.1)."""


class Ended(Exception):
    """The connection is over, or did not come about; the message says why."""


class Client(asyncio.Protocol):
    """State: the transport, the bytes of an unfinished packet, and which publishes wait.

    `accepted` is done when the broker let us in; it raises Ended when it does not. `ended` raises
    Ended when the connection is over.
    """

    def __init__(self, connect: Connect) -> None:
        loop = asyncio.get_running_loop()
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.unheard = False
        """Whether the broker took the bytes and has not said, yet, that it understands them."""
        self._connect = connect
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._packet_id = 0
        self._waiting: asyncio.Future[int] | None = None

    @property
    def waits(self) -> bool:
        """Whether what was published last is not acknowledged yet."""
        return self._waiting is not None and not self._waiting.done()

    def publish(self, topic: str, payload: bytes) -> "asyncio.Future[int]":
        """Publish retained, at QoS 1. The future gives the reason code of the acknowledgement, and
        is cancelled with the connection; that of the publish before gives nothing any more."""
        self._packet_id = self._packet_id % 65_535 + 1
        self._waiting = asyncio.get_running_loop().create_future()
        self._send(Publish(topic, payload, qos=1, retain=True, packet_id=self._packet_id))
        return self._waiting

    def close(self) -> None:
        """Take leave: the will is not told."""
        if self._transport is not None and not self._transport.is_closing():
            self._send(Disconnect())
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Drop the connection unsaid: the will is told, unless we took leave before."""
        self._end(Ended(reason))
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.unheard = True
        self._send(self._connect)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        try:
            while (packet := self._next()) is not None and not self.ended.done():
                self._take(packet)
        except MalformedPacketError as error:
            self.abort(f"sends what is no MQTT: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(Ended(f"closed the connection{f': {exc}' if exc else ''}"))

    # -- packets

    def _send(self, packet: Packet) -> None:
        if self._transport is not None:
            self._transport.write(encode(packet, self._connect.level))

    def _next(self) -> Packet | None:
        """The next whole packet. Raises MalformedPacketError."""
        data = self._rest
        if len(data) < 2 or (len(data) < 5 and all(byte > 127 for byte in data[1:])):
            return None
        body = Body(data, 1)
        size = body.variable("remaining length")
        if size > MOST_BYTES:
            raise MalformedPacketError(f"packet has {size} bytes; expected at most {MOST_BYTES}")
        if body.left() < size:
            return None
        content = body.take(size, "packet")
        self._rest = data[body.at :]
        if data[0] >> 4 == PacketType.CONNACK and content[1:] == ANOTHER_VERSION:
            return Connack(Reason.UNSUPPORTED_PROTOCOL_VERSION)
        return decode(data[0], content, self._connect.level)

    def _take(self, packet: Packet) -> None:
        match packet:
            case Connack(code):
                self._answered(code)
            case Puback(packet_id, reason):
                if self.waits and self._waiting and packet_id == self._packet_id:
                    self._waiting.set_result(reason)
            case Disconnect(reason):
                self.abort(f"ended the connection: {in_words(reason)}")
            case _:
                self.abort(f"sends a {type(packet).__name__}; expected acknowledgements")

    def _answered(self, code: ConnectCode | Reason) -> None:
        self.unheard = code == Reason.UNSUPPORTED_PROTOCOL_VERSION
        if code:
            name = code.name.lower().replace("_", " ")
            self.abort(f"refuses the connection: {name}")
        elif not self.accepted.done():
            self.accepted.set_result(None)

    def _end(self, why: Ended) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        for future in (self.accepted, self.ended):
            if not future.done():
                future.set_exception(why)
                future.exception()  # who does not wait for it need not hear of it


def in_words(code: int) -> str:
    """A reason code as the standard names it."""
    try:
        return Reason(code).name.lower().replace("_", " ")
    except ValueError:
        return f"reason 0x{code:02x}"
