"""Wills: what is published for a client whose connection ended without DISCONNECT.

A will is kept in the journal from CONNECT on. It is published at the end of its connection, or
waits for its delay (MQTT 5, 3.1.3.2.2). The end of the server is no client's end: wills of those
who were connected wait for a grace after the restart, which the standard allows (3.1.2.5).
"""

from collections.abc import Callable

import msgspec

from tocsin.broker.deadlines import Deadlines
from tocsin.broker.facts import Fact, WillDue, Willed, WillGone
from tocsin.devices.message import Message

_SLOT_S = 0.25


class Testament(msgspec.Struct):
    """One will. `due` is engine time; None: its connection is there. `deferred`: over a restart.

    `taken`: it is on its way to the journal, and gone when it is there.
    """

    message: Message
    delay_s: float
    due: float | None = None
    deferred: bool = False
    taken: bool = False


Then = Callable[[], None]
"""What is to be done when a fact is in the journal, or refused there."""


class Wills:
    """Owns all wills, at most one per client id, and the deadlines of those that wait.

    A method that changes something also says it to `note`, for the journal. What is noted may
    be applied twice: each fact says all there is to say of one client's will.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._by_client: dict[str, Testament] = {}
        self._deadlines: Deadlines[str] = Deadlines(_SLOT_S)
        self.note: Callable[[Fact, Then], None] = _ignore
        self.publish: Callable[[Message], None] = _ignore

    def __len__(self) -> int:
        return len(self._by_client)

    @property
    def waiting(self) -> int:
        return sum(each.due is not None and not each.taken for each in self._by_client.values())

    # -- what connections do ---------------------------------------------------------------

    def write(self, will: Message, delay_s: float) -> None:
        """The client of `will` is connected and leaves it."""
        fact = Willed(
            will.client, will.topic, will.payload, will.qos, will.retain, will.properties, delay_s
        )
        self.apply(fact)
        self.note(fact, _nothing)

    def withdraw(self, client: str) -> None:
        """The client came back in time, or said goodbye [MQTT-3.1.3-9] [MQTT-3.14.4-3]."""
        testament = self._by_client.get(client)
        if testament is not None and not testament.taken:
            self._drop(client)
            self.note(WillGone(client), _nothing)

    def end(self, client: str, now: float, expiry_s: float) -> None:
        """The connection failed: its will is published, after its delay or with its session."""
        testament = self._by_client.get(client)
        if testament is None or testament.taken:
            return
        delay_s = min(testament.delay_s, expiry_s)
        if delay_s:
            fact = WillDue(client, now + delay_s)
            self.apply(fact)
            self.note(fact, _nothing)
        else:
            self._take(client)

    def session_ended(self, client: str) -> None:
        """A will waits no longer than the session of its client, except over a restart."""
        testament = self._by_client.get(client)
        if testament is None or testament.due is None or testament.deferred or testament.taken:
            return
        self._take(client)

    def publish_due(self, now: float) -> None:
        for client in list(self._deadlines.pop_due(now)):
            self._take(client)

    def _take(self, client: str) -> None:
        testament = self._by_client[client]
        testament.taken = True
        self._deadlines.drop(client)
        self.publish(testament.message)

        def gone() -> None:
            if self._by_client.get(client) is testament:
                self._drop(client)

        self.note(WillGone(client), gone)

    def _drop(self, client: str) -> None:
        self._deadlines.drop(client)
        self._by_client.pop(client, None)

    # -- the fold --------------------------------------------------------------------------

    def apply(self, fact: Willed | WillDue | WillGone) -> None:
        match fact:
            case Willed():
                message = Message(
                    fact.client, fact.topic, fact.payload, fact.qos, fact.retain, 0,
                    fact.properties,
                )  # fmt: skip
                self._drop(fact.client)
                self._by_client[fact.client] = Testament(message, fact.delay_s)
            case WillDue(client, due):
                if (testament := self._by_client.get(client)) is not None:
                    testament.due = due
                    self._deadlines.set(client, due)
            case WillGone(client):
                self._drop(client)

    def restarted(self, last_at: float, at: float) -> None:
        """All connections had ended at `last_at`; it is `at` now."""
        for client, testament in self._by_client.items():
            if testament.due is None:
                testament.deferred = True
                testament.due = max(last_at + testament.delay_s, at + self._grace_s)
                self._deadlines.set(client, testament.due)

    def state(self) -> list[Testament]:
        return list(self._by_client.values())

    def load(self, state: list[Testament]) -> None:
        """Becomes what `state` gave, in a copy."""
        for testament in state:
            client = testament.message.client
            self._by_client[client] = testament
            testament.taken = False
            if testament.due is not None:
                self._deadlines.set(client, testament.due)


def _ignore(*_: object) -> None:
    """While the state is rebuilt nobody is told."""


def _nothing() -> None:
    """It has its effect already."""
