"""How a connection ends: with which last word, for what reason, and when the socket is cut."""

import asyncio
from time import monotonic

from tocsin.broker.codec import encode
from tocsin.broker.packets import LEVEL_5, Disconnect
from tocsin.broker.properties import NO_PROPERTIES, Properties
from tocsin.broker.reasons import Reason
from tocsin.broker.stream import Hold
from tocsin.broker.subscriber import Subscriber
from tocsin.broker.surroundings import Surroundings

CLEAN = "clean"
CONNECTION_LOST = "connection lost"
KEEPALIVE = "keepalive"
TAKEN_OVER = "taken over"
STOPPING = "server stopping"
NOT_STORED = "not stored"


class Closing(Subscriber):
    """Owns the end of a connection, which comes once, and what follows it on the socket."""

    __slots__ = ("_overrun",)

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._overrun = False

    def ended(self, reason: str) -> None:
        """The connection is over; called once, at `close` or when the socket is lost."""
        raise NotImplementedError

    def depart(self) -> None:
        """The socket is lost, and it is this connection's turn to end; see `Departures`."""
        raise NotImplementedError

    def overdue(self, now: float) -> None:
        """The deadline of this connection passed."""
        raise NotImplementedError

    def close(
        self, reason: str, code: Reason | None = None, *, answer: bytes = b"", cut: bool = False
    ) -> None:
        """Ends the connection; `answer` leaves first. `cut`: without waiting for the peer.

        An MQTT 5 client is told a `code` and the reason in words [MQTT-4.13.1-1].
        """
        if self.lost:
            self.depart()  # before whatever wants to close it: it ended by itself
        if self.closed:
            return
        explained = self.five and self.client is not None and code is not None
        if explained and code is not None:
            fits = self._packet_limit >= 1_024  # [MQTT-3.14.2-3]
            words = Properties(reason_string=reason[:256]) if fits else NO_PROPERTIES
            answer = encode(Disconnect(code, words), LEVEL_5)
            cut = False
        if answer:
            self.send(answer)
        transport = self.transport
        if cut:
            transport.abort()
        elif explained and code is not Reason.SERVER_SHUTTING_DOWN and transport.can_write_eof():
            self.flush()
            self._close_when_read(transport)
        else:
            self.flush()
            transport.close()
            self._linger()
        self.end(reason)

    def _close_when_read(self, transport: asyncio.Transport) -> None:
        """Lets the peer read the last word: a close with its bytes unread would take it away.

        What it still sends is read and dropped until it closes too, at most `linger_s`.
        """
        if not transport.is_closing():
            try:
                transport.write_eof()
            except OSError:  # the peer closed behind the packet, and resets what we answer
                transport.abort()
            if self.holds:
                self.holds = Hold.NONE
                transport.resume_reading()
        self._linger()

    def _linger(self) -> None:
        """TLS and WebSocket end with a word of the peer, others when it took the last byte."""
        around = self._around
        around.deadlines.set(self, monotonic() + around.settings.linger_s)

    def end(self, reason: str) -> None:
        if not self.closed:
            self.closed = True
            self.ended(reason)

    def overrun(self, limit: str) -> None:
        """The client does not keep up with its queue: one of `queued_messages` and `queued_bytes`
        is reached. Closes soon: routing is under way.
        """
        if not self._overrun:
            self._overrun = True
            self.hit(limit)
            settings = self._around.settings
            by_number = limit == "queued_messages"
            most = settings.queued_messages if by_number else f"{settings.queued_bytes} bytes"
            why = f"slow subscriber: its queue is full; expected at most {most} waiting"
            asyncio.get_running_loop().call_soon(
                lambda: self.close(why, Reason.QUOTA_EXCEEDED, cut=True)
            )

    def unread(self) -> None:
        """Messages wait for room, answers do not: who asks and never reads is disconnected."""
        if not self._overrun and not self.closed:
            self._overrun = True
            self.hit("write_buffer_bytes")
            limit = 2 * self._around.settings.write_buffer_bytes
            why = f"slow subscriber: it does not read its answers; expected at most {limit} bytes"
            asyncio.get_running_loop().call_soon(lambda: self.close(why, cut=True))

    def not_stored(self) -> None:
        """What the client waits for an ack of could not be stored."""
        self.close(NOT_STORED, Reason.IMPLEMENTATION_SPECIFIC_ERROR)
