"""Clients: a client id with its session, online or away."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tocsin.broker.deadlines import Deadlines
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.packets import LEVEL_5, LEVEL_311
from tocsin.broker.session import Session
from tocsin.broker.settings import Settings
from tocsin.broker.subscriptions import Subscriptions
from tocsin.devices.credentials import Identity

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection

_SLOT_S = 0.25


class Client:
    """Owns the session of one client id; knows its connection while there is one."""

    __slots__ = (
        "__weakref__",
        "connected_at",
        "connection",
        "dropped",
        "id",
        "identity",
        "keepalive_s",
        "level",
        "messages_received",
        "messages_sent",
        "session",
        "session_expiry_s",
        "username",
    )

    def __init__(self, client: str, session: Session, identity: Identity) -> None:
        self.id = client
        self.session = session
        self.identity = identity
        self.connection: Connection | None = None
        self.username: str | None = None
        self.level = LEVEL_311
        self.session_expiry_s = 0.0
        """How long the session waits for its client; 0: it ends with the connection."""
        self.keepalive_s = 0
        self.connected_at = 0.0
        self.messages_received = 0
        self.messages_sent = 0
        self.dropped: dict[str, int] | None = None

    def drop(self, reason: str) -> None:
        """Counts a message that is not passed on."""
        if self.dropped is None:
            self.dropped = {}
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def deliver_droppable(self, packet: bytes) -> None:
        """Sends a QoS 0 PUBLISH: now or never. One who is away has asked for no QoS 0."""
        connection = self.connection
        if connection is not None:
            if connection.send_droppable(packet):
                self.messages_sent += 1
            else:
                self.drop("write buffer full")

    def deliver_now(self, message: Outgoing) -> None:
        """The same for a message that is not yet encoded."""
        if self.connection is not None:
            self.connection.send_now(message)

    def deliver(self, message: Outgoing) -> None:
        """Queues a QoS 1 or 2 message and sends what may be sent.

        At the bound of the queue the oldest message gives way; who is online then does not
        keep up and is disconnected.
        """
        session = self.session
        connection = self.connection
        while not session.offer(message):
            session.drop_oldest()
            self.drop("queue full")
            if connection is not None:
                connection.overrun()
        if connection is not None:
            connection.continue_sending()


class Clients:
    """Owns all clients by id, and the bound on those that are away.

    `on_end` hears of every session that is over.
    """

    def __init__(
        self,
        settings: Settings,
        subscriptions: Subscriptions[Client],
        on_end: Callable[[Client], None],
    ) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._on_end = on_end
        self._by_id: dict[str, Client] = {}
        # In the order in which they left.
        self._away: dict[str, Client] = {}
        self._expiring: Deadlines[Client] = Deadlines(_SLOT_S)
        self.past_received = 0
        self.past_sent = 0
        self.past_dropped = 0

    def __iter__(self) -> Iterator[Client]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, client: str) -> Client | None:
        return self._by_id.get(client)

    def begin(self, client: str, identity: Identity) -> Client:
        """A client with a fresh session, in place of what that id had."""
        settings = self._settings
        if (before := self._by_id.get(client)) is not None:
            self.end(before)
        session = Session(
            in_flight=settings.in_flight,
            queued_messages=settings.queued_messages,
            queued_bytes=settings.queued_bytes,
            unreleased=settings.unreleased,
        )
        begun = self._by_id[client] = Client(client, session, identity)
        return begun

    def end(self, client: Client) -> None:
        """The session is over: its subscriptions and messages are forgotten [MQTT-3.1.2-6]."""
        if self._by_id.get(client.id) is client:
            del self._by_id[client.id]
            self._away.pop(client.id, None)
            self._expiring.drop(client)
        for topic_filter in client.session.subscriptions:
            self._subscriptions.remove(topic_filter, client)
        client.session.subscriptions.clear()
        self.past_received += client.messages_received
        self.past_sent += client.messages_sent
        self.past_dropped += sum((client.dropped or {}).values())
        self._on_end(client)

    def came(self, client: Client) -> None:
        """The client is back, maybe with the other version: its subscriptions say which."""
        self._away.pop(client.id, None)
        self._expiring.drop(client)
        five = client.level == LEVEL_5
        granted = client.session.subscriptions
        for topic_filter, grant in granted.items():
            if grant.five != five:
                granted[topic_filter] = replace(grant, five=five)
                self._subscriptions.add(topic_filter, client, granted[topic_filter])

    def left(self, client: Client, now: float) -> list[Client]:
        """The connection ended at `now`. Returns clients whose sessions gave way to this one."""
        if not client.session_expiry_s:
            self.end(client)
            return []
        self._away[client.id] = client
        self._expiring.set(client, now + client.session_expiry_s)
        ended: list[Client] = []
        while len(self._away) > self._settings.sessions_offline:
            ended.append(first := next(iter(self._away.values())))
            self.end(first)
        return ended

    def expire(self, now: float) -> list[Client]:
        """Ends the sessions of clients that stayed away too long."""
        ended = list(self._expiring.pop_due(now))
        for client in ended:
            self.end(client)
        return ended
