"""What one loop turn brings, in its order, and what is owed when it is stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.broker.clients import Client
from tocsin.broker.facts import Fact
from tocsin.broker.reasons import Reason
from tocsin.broker.session import Session
from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.message import Message

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection

Then = Callable[[bool, bool], None]
"""Whether the fact is stored, and what applying it gave."""


class Receipt:
    """A QoS 2 PUBLISH whose PUBREC is due once the message is stored.

    `fresh` is False for a repeated one: the message itself is in an earlier batch. With a
    `refused` the PUBREC says so; nothing is stored.
    """

    __slots__ = ("connection", "fresh", "packet_id", "refused", "session")

    def __init__(
        self,
        connection: "Connection",
        session: Session,
        packet_id: int,
        fresh: bool,
        refused: Reason | None = None,
    ) -> None:
        self.connection = connection
        self.session = session
        self.packet_id = packet_id
        self.fresh = fresh
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Pending:
    """A fact in its place: before message number `before` of its batch.

    `applied`: it had its effect when it was recorded. None as `fact`: only the place matters.
    """

    before: int
    fact: Fact | None
    record: BrokerFact | None
    then: Then | None
    guest: Client | None
    applied: bool


class Batch:
    """The messages of one loop turn and what is owed for them. `stored` is None until known."""

    __slots__ = (
        "acks",
        "at",
        "facts",
        "first_sequence",
        "messages",
        "position",
        "receipts",
        "size",
        "stored",
        "wills",
    )

    def __init__(
        self,
        messages: list[Message],
        first_sequence: int,
        acks: list[tuple["Connection", bytes, int]],
        receipts: list[Receipt],
        facts: Sequence[Pending],
        wills: bool,
        size: int,
        at: float,
    ) -> None:
        self.messages = messages
        self.facts = facts
        self.first_sequence = first_sequence
        self.acks = acks
        self.receipts = receipts
        self.wills = wills
        self.size = size
        self.at = at
        self.stored: bool | None = None
        self.position = 0

    def records(self) -> list[Message | BrokerFact]:
        """What the sink gets: messages with the facts between them."""
        records: list[Message | BrokerFact] = []
        taken = 0
        for pending in self.facts:
            records += self.messages[taken : pending.before]
            taken = pending.before
            if pending.record is not None:
                records.append(pending.record)
        return records + self.messages[taken:]
