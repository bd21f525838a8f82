"""A connection that is read no faster than its client may publish."""

import asyncio
from time import monotonic

from tocsin.broker.connection import Connection
from tocsin.broker.listener import Caller
from tocsin.broker.stream import Hold
from tocsin.broker.surroundings import Surroundings

BURST_S = 1.0
"""What may come at once is what a second may bring: devices send their batches in one piece."""


class Throttled(Connection):
    """Owns the client's budget of messages and bytes; where it is used up reading pauses.

    Nothing is dropped: TCP holds the client back. Where there is no limit nothing of this is
    made, and the hot path has nothing of it.
    """

    __slots__ = ("_full_at", "_message_s", "_octet_s", "throttled")

    def __init__(self, around: Surroundings, caller: Caller) -> None:
        super().__init__(around, caller)
        settings = around.settings
        self._message_s = _cost_s(settings.client_messages_per_s)
        self._octet_s = _cost_s(settings.client_bytes_per_s)
        # When the budget is full again.
        self._full_at = 0.0
        self.throttled = 0

    def data_received(self, data: bytes) -> None:
        before = self._messages()
        super().data_received(data)
        if self.closed:
            return
        now = monotonic()
        messages_s = (self._messages() - before) * self._message_s
        octets_s = len(data) * self._octet_s
        cost_s = max(messages_s, octets_s)
        self._full_at = max(self._full_at, now) + cost_s
        over_s = self._full_at - now - BURST_S
        if over_s > 0 and not self.holds & Hold.RATE:
            by_number = messages_s >= octets_s
            self.hit("client_messages_per_s" if by_number else "client_bytes_per_s")
            self.throttled += 1
            self._around.throttled += 1
            self.hold(Hold.RATE)
            asyncio.get_running_loop().call_later(over_s, self._go_on)

    def _messages(self) -> int:
        return 0 if self.client is None else self.client.messages_received

    def _go_on(self) -> None:
        if not self.closed:
            self.release(Hold.RATE)
            if self.holds & Hold.TURN:  # its turn came while it was held
                self._around.intake.rest(self)

    def rested(self) -> None:
        if not self.holds & Hold.RATE:
            super().rested()


def _cost_s(per_s: float) -> float:
    """What one costs of the budget; 0: there is no limit."""
    return 1.0 / per_s if per_s else 0.0


def make_connection(around: Surroundings, caller: Caller) -> Connection:
    """The connection of a new client."""
    settings = around.settings
    limited = settings.client_messages_per_s or settings.client_bytes_per_s
    return Throttled(around, caller) if limited else Connection(around, caller)
