"""Clients: a client id with its session, online or away."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tocsin.broker.session import Outgoing, Session
from tocsin.broker.settings import Settings
from tocsin.broker.subscriptions import Subscriptions
from tocsin.devices.credentials import Identity

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection


class Client:
    """Owns the session of one client id; knows its connection while there is one."""

    __slots__ = (
        "__weakref__",
        "away_since",
        "clean",
        "connected_at",
        "connection",
        "dropped",
        "id",
        "identity",
        "keepalive_s",
        "messages_received",
        "messages_sent",
        "session",
        "username",
    )

    def __init__(self, client: str, session: Session, identity: Identity) -> None:
        self.id = client
        self.session = session
        self.identity = identity
        self.connection: Connection | None = None
        self.username: str | None = None
        self.clean = True
        self.keepalive_s = 0
        self.connected_at = 0.0
        self.away_since = 0.0
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
    """Owns all clients by id, and the bound on those that are away."""

    def __init__(self, settings: Settings, subscriptions: Subscriptions[Client]) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._by_id: dict[str, Client] = {}
        # In the order in which they left.
        self._away: dict[str, Client] = {}
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
        for topic_filter in client.session.subscriptions:
            self._subscriptions.remove(topic_filter, client)
        client.session.subscriptions.clear()
        self.past_received += client.messages_received
        self.past_sent += client.messages_sent
        self.past_dropped += sum((client.dropped or {}).values())

    def came(self, client: Client) -> None:
        self._away.pop(client.id, None)

    def left(self, client: Client, now: float) -> list[Client]:
        """The connection ended at `now`. Returns clients whose sessions gave way to this one."""
        if client.clean:
            self.end(client)
            return []
        client.away_since = now
        self._away[client.id] = client
        return self._end_while(lambda _: len(self._away) > self._settings.sessions_offline)

    def expire(self, now: float) -> list[Client]:
        """Ends the sessions of clients that stayed away too long."""
        oldest = now - self._settings.session_expiry_s
        return self._end_while(lambda client: client.away_since < oldest)

    def _end_while(self, over: Callable[[Client], bool]) -> list[Client]:
        ended: list[Client] = []
        while self._away and over(first := next(iter(self._away.values()))):
            self.end(first)
            ended.append(first)
        return ended
