"""Clients: a client id with its session, online or away."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tocsin.broker.deadlines import Deadlines
from tocsin.broker.hits import Hits
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.packets import LEVEL_5, LEVEL_311
from tocsin.broker.session import Session
from tocsin.broker.settings import Settings
from tocsin.broker.subscriptions import Grant, Subscriptions
from tocsin.broker.topics import is_shared
from tocsin.devices.credentials import Identity

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection

_SLOT_S = 0.25


class Client:
    """Owns the session of one client id; knows its connection while there is one."""

    __slots__ = (
        "__weakref__",
        "_hits",
        "connected_at",
        "connection",
        "degraded",
        "dropped",
        "durable",
        "expires_at",
        "guest",
        "id",
        "identity",
        "keepalive_s",
        "level",
        "limit_hits",
        "messages_received",
        "messages_sent",
        "online",
        "session",
        "session_expiry_s",
        "username",
    )

    def __init__(
        self,
        client: str,
        session: Session,
        identity: Identity,
        hits: Hits,
        *,
        durable: bool = False,
    ) -> None:
        self._hits = hits
        self.id = client
        self.session = session
        self.identity = identity
        self.durable = durable
        """The session is kept in the journal: it is there after a restart."""
        self.online = True
        """There is a connection, as far as the journal has got."""
        self.guest = False
        """The session is not kept, and has shared subscriptions: these are in the journal."""
        self.degraded = False
        """It asked for a session that is kept, while nothing could be stored."""
        self.expires_at = float("inf")
        """When the session ends if the client stays away (engine time)."""
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
        self.limit_hits: dict[str, int] | None = None

    def hit(self, limit: str) -> None:
        """Counts that this client came to the limit with that name."""
        self._hits.add(limit)
        if self.limit_hits is None:
            self.limit_hits = {}
        self.limit_hits[limit] = self.limit_hits.get(limit, 0) + 1

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
                self.hit("write_buffer_bytes")

    def deliver_now(self, message: Outgoing) -> None:
        """The same for a message that is not yet encoded."""
        if self.connection is not None:
            self.connection.send_now(message)

    def deliver(self, message: Outgoing, *, loose: bool = False) -> None:
        """Queues a QoS 1 or 2 message and sends what may be sent. `loose`: as in `Outbound`.

        At the bound of the queue the oldest message gives way; who is online then does not
        keep up and is disconnected. What a kept session drops follows from the order of the
        journal: nothing while it is online, the rest when its end is in the journal.
        """
        session = self.session
        connection = self.connection
        if self.durable and self.online:
            if connection is not None and (limit := session.full(message)) is not None:
                connection.overrun(limit)
            if not session.offer(message, bounded=False, loose=loose):
                self.drop("queue full")
                self.hit("queued_messages")  # no packet id is left
        elif connection is None and not self.durable:
            return  # a session that was over while the message was on its way to the disk
        else:
            while not session.offer(message, loose=loose):
                limit = session.full(message) or "queued_messages"
                self.drop("queue full")
                self.hit(limit)
                if connection is not None:
                    connection.overrun(limit)
                if not session.drop_oldest():
                    return
        if connection is not None:
            connection.continue_sending()


class Clients:
    """Owns all clients by id, and the bound on those that are away. Times are engine time.

    What changes kept sessions follows from the records of the journal alone, in their order.
    `on_end` hears of every session that is over, `on_crowded_out` before it of those for which
    there was no room among the clients that are away.
    """

    def __init__(self, settings: Settings, subscriptions: Subscriptions[Client]) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self.on_end: Callable[[Client], None] = lambda _: None
        self.on_crowded_out: Callable[[Client], None] = lambda _: None
        self._by_id: dict[str, Client] = {}
        # In the order in which they left.
        self._away: dict[str, Client] = {}
        self._expiring: Deadlines[Client] = Deadlines(_SLOT_S)
        self.guests: dict[str, Client] = {}
        """Clients with shared subscriptions whose sessions are not kept, by id."""
        self.hits = Hits()
        self.expired = 0
        """Sessions that ended because their clients stayed away too long."""
        self.past_received = 0
        self.past_sent = 0
        self.past_dropped = 0

    def __iter__(self) -> Iterator[Client]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, client: str) -> Client | None:
        return self._by_id.get(client)

    def kept(self, client: str) -> Client | None:
        """The client with that id, if its session is kept."""
        found = self._by_id.get(client)
        return found if found is not None and found.durable else None

    @property
    def away(self) -> Iterator[Client]:
        """Clients whose kept session waits for them, the longest away first."""
        return iter(self._away.values())

    def new(self, client: str, identity: Identity, *, durable: bool = False) -> Client:
        """A client with a fresh session that is in no list yet."""
        settings = self._settings
        session = Session(
            in_flight=settings.in_flight,
            queued_messages=settings.queued_messages,
            queued_bytes=settings.queued_bytes,
            unreleased=settings.unreleased,
        )
        return Client(client, session, identity, self.hits, durable=durable)

    def begin(self, client: str, identity: Identity, *, durable: bool = False) -> Client:
        """A client with a fresh session, in place of what that id had."""
        if (before := self._by_id.get(client)) is not None:
            self.end(before)
        begun = self._by_id[client] = self.new(client, identity, durable=durable)
        return begun

    def end(self, client: Client) -> None:
        """The session is over: its subscriptions and messages are forgotten [MQTT-3.1.2-6].

        Shared subscriptions of a guest stay until the journal says that it parted.
        """
        if self._by_id.get(client.id) is client:
            del self._by_id[client.id]
            self._away.pop(client.id, None)
            self._expiring.drop(client)
        granted = client.session.subscriptions
        for topic_filter in list(granted):
            if client.durable or not is_shared(topic_filter):
                self._subscriptions.remove(topic_filter, client)
                del granted[topic_filter]
        self.past_received += client.messages_received
        self.past_sent += client.messages_sent
        self.past_dropped += sum((client.dropped or {}).values())
        self.on_end(client)

    def came(self, client: Client) -> None:
        """The client is back, maybe with the other version: its subscriptions say which."""
        client.online = True
        client.expires_at = float("inf")
        self._away.pop(client.id, None)
        self._expiring.drop(client)
        five = client.level == LEVEL_5
        for topic_filter, grant in list(client.session.subscriptions.items()):
            if grant.five != five:
                self.subscribe(client, topic_filter, replace(grant, five=five))

    def left(self, client: Client, now: float, last_sent: int | None = 0) -> None:
        """The connection of a kept session ended at `now`. `last_sent`: as `Outbound.left`."""
        client.online = False
        if not client.session_expiry_s:
            self.end(client)
            return
        client.session.left(last_sent)
        for limit in client.session.trim():
            client.drop("queue full")
            client.hit(limit)
        client.expires_at = now + client.session_expiry_s
        self.put_away(client)
        while len(self._away) > self._settings.sessions_offline:
            longest_away = next(iter(self._away.values()))
            self.hits.add("sessions_offline")
            self.on_crowded_out(longest_away)
            self.end(longest_away)

    def put_away(self, client: Client) -> None:
        """Its session waits for the client until `expires_at`, behind those that wait already."""
        client.online = False
        self._away[client.id] = client
        self._expiring.set(client, client.expires_at)

    def due(self, now: float) -> list[Client]:
        """Clients that stayed away too long, each once."""
        return list(self._expiring.pop_due(now))

    def expire(self, client: Client, now: float) -> None:
        """Ends the session, if the client stayed away too long."""
        if not client.online and client.expires_at <= now:
            self.expired += 1
            self.end(client)

    # -- subscriptions ---------------------------------------------------------------------

    def subscribe(self, client: Client, topic_filter: str, grant: Grant) -> None:
        self._subscriptions.add(topic_filter, client, grant)
        client.session.subscriptions[topic_filter] = grant

    def unsubscribe(self, client: Client, topic_filter: str) -> bool:
        """False: there was no such subscription."""
        if client.session.subscriptions.pop(topic_filter, None) is None:
            return False
        self._subscriptions.remove(topic_filter, client)
        return True

    def part(self, client: str) -> None:
        """The guest's connection is over, and its shared subscriptions are."""
        guest = self.guests.pop(client, None)
        if guest is not None:
            for topic_filter in [f for f in guest.session.subscriptions if is_shared(f)]:
                self.unsubscribe(guest, topic_filter)
