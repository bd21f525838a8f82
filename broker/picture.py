"""A picture of sessions and retained messages: plain values, each message in it once."""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tocsin.broker.clients import Client, Clients
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.retained import BEFORE, Retained
from tocsin.broker.router import Router
from tocsin.broker.subscriptions import Grant
from tocsin.broker.topics import is_shared
from tocsin.devices.credentials import ANONYMOUS, Identity


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A message that waits in the queue of one session or of many."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: bytes
    expires_at: float | None
    subscription_ids: tuple[int, ...]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One client whose session is kept. `queue` has packet ids and places among the messages."""

    id: str
    identity: Identity
    username: str | None
    level: int
    expiry_s: float
    expires_at: float | None
    """None: there is a connection."""
    subscriptions: list[tuple[str, Grant]]
    last_id: int
    last_sent: int
    queue: list[tuple[int, int]]
    released: list[int]
    inbound: list[int]


class Picture(msgspec.Struct, frozen=True):
    """Everything, in the orders that matter later."""

    clients: list[Kept]
    away: list[str]
    """Client ids, the longest away first."""
    guests: list[tuple[str, list[tuple[str, Grant]]]]
    groups: list[tuple[str, list[tuple[str, bool]]]]
    """Per shared filter its members, whose turn comes first first: the id, and whether the session
    is kept."""
    messages: list[Waiting]
    retained: list[Retained]

    def restore(self, clients: Clients, router: Router) -> None:
        """Makes empty `clients` and `router` what the picture was taken of."""
        messages = [
            Outgoing(e.topic, e.payload, e.qos, e.retain, e.properties, e.expires_at,
                     e.subscription_ids)
            for e in self.messages
        ]  # fmt: skip
        for kept in self.clients:
            client = clients.begin(kept.id, kept.identity, durable=True)
            client.username, client.level = kept.username, kept.level
            client.session_expiry_s = kept.expiry_s
            client.session.load(
                kept.last_id,
                kept.last_sent,
                [(packet_id, messages[place]) for packet_id, place in kept.queue],
                kept.released,
            )
            for packet_id in kept.inbound:
                client.session.keep(packet_id)
            client.session.subscriptions.update(kept.subscriptions)
            if kept.expires_at is not None:
                client.expires_at = kept.expires_at
        for away in self.away:
            if (client := clients.kept(away)) is not None:
                clients.put_away(client)
        for guest_id, filters in self.guests:
            guest = clients.guests[guest_id] = clients.new(guest_id, ANONYMOUS)
            guest.session.subscriptions.update(filters)
        for topic_filter, members in self.groups:
            for member, durable in members:
                client = clients.kept(member) if durable else clients.guests.get(member)
                if client is not None:
                    clients.subscribe(
                        client, topic_filter, client.session.subscriptions[topic_filter]
                    )
        for client in clients:
            for topic_filter, grant in client.session.subscriptions.items():
                if not is_shared(topic_filter):
                    clients.subscribe(client, topic_filter, grant)
        for each in self.retained:
            # Whatever comes now came later.
            router.retained.put(replace(each, sequence=BEFORE), bounded=False)


def take_picture(clients: Clients, router: Router) -> Picture:
    places: dict[int, int] = {}
    messages: list[Waiting] = []

    def place_of(message: Outgoing) -> int:
        place = places.get(id(message))
        if place is None:
            place = places[id(message)] = len(messages)
            messages.append(_waiting(message))
        return place

    kept = [_kept(client, place_of) for client in clients if client.durable]
    guests = [
        (name, [each for each in guest.session.subscriptions.items() if is_shared(each[0])])
        for name, guest in clients.guests.items()
    ]
    groups = [
        (topic_filter, [(member.id, member.durable) for member in group])
        for topic_filter, group in router.subscriptions.shared.items()
    ]
    away = [client.id for client in clients.away]
    retained = [each for each in router.retained if not each.ours]
    return Picture(kept, away, guests, groups, messages, retained)


def _kept(client: Client, place_of: Callable[[Outgoing], int]) -> Kept:
    session = client.session
    last_id, last_sent, queue, released = session.state()
    return Kept(
        id=client.id,
        identity=client.identity,
        username=client.username,
        level=client.level,
        expiry_s=client.session_expiry_s,
        expires_at=None if client.online else client.expires_at,
        subscriptions=list(session.subscriptions.items()),
        last_id=last_id,
        last_sent=last_sent,
        queue=[(packet_id, place_of(message)) for packet_id, message in queue],
        released=released,
        inbound=session.kept(),
    )


def _waiting(message: Outgoing) -> Waiting:
    return Waiting(
        message.topic,
        message.payload,
        message.qos,
        message.retain,
        message.properties,
        message.expires_at,
        message.subscription_ids,
    )
