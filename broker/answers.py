"""What subscribers answer and publishers release, one fact of each kind for a loop turn.

A PUBREL to a subscriber and a PUBCOMP to a publisher leave when that is in the journal: after a
crash the other side has forgotten the packet id, and so must we have. A PUBACK or PUBCOMP from a
subscriber ends a delivery; should that not come to the journal, the message is sent once more.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tocsin.broker.codec import PUBCOMP, PUBREL, ack
from tocsin.broker.facts import Delivered, Fact, Received, Released
from tocsin.broker.session import Session

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection

Record = Callable[[Fact, "Callable[[bool], None] | None"], None]


class Answers:
    """Owns the answers of this loop turn of clients whose sessions are kept."""

    __slots__ = ("_delivered", "_received", "_released")

    def __init__(self) -> None:
        self._delivered: list[tuple[str, int]] = []
        self._received: list[tuple[Connection, Session, str, int]] = []
        self._released: list[tuple[Connection, Session, str, int]] = []

    def __bool__(self) -> bool:
        return bool(self._delivered or self._received or self._released)

    def delivered(self, client: str, packet_id: int) -> None:
        self._delivered.append((client, packet_id))

    def received(self, connection: "Connection", client: str, packet_id: int) -> None:
        session = connection.opened().session
        self._received.append((connection, session, client, packet_id))

    def released(self, connection: "Connection", client: str, packet_id: int) -> None:
        session = connection.opened().session
        self._released.append((connection, session, client, packet_id))

    def flush(self, record: Record) -> None:
        """Records what gathered."""
        if self._delivered:
            delivered, self._delivered = self._delivered, []
            record(Delivered(delivered), None)
        if self._received:
            received, self._received = self._received, []
            record(Received(_ids(received)), lambda stored: _received(received, stored))
        if self._released:
            released, self._released = self._released, []
            record(Released(_ids(released)), lambda stored: _released(released, stored))


_Due = list[tuple["Connection", Session, str, int]]


def _ids(due: _Due) -> list[tuple[str, int]]:
    return [(client, packet_id) for _, _, client, packet_id in due]


def _received(due: _Due, stored: bool) -> None:
    for connection, session, _, packet_id in due:
        if not stored:
            session.unanswer(packet_id)
            connection.not_stored()
        elif not connection.closed:
            connection.send(ack(PUBREL, packet_id))


def _released(due: _Due, stored: bool) -> None:
    for connection, _, _, packet_id in due:
        if not stored:
            connection.not_stored()
        elif not connection.closed:
            connection.send(ack(PUBCOMP, packet_id))
