"""What outlives a crash: sessions, wills and retained messages, a fold over the journal's records.

Pure: no socket, and time is in the records. The same code applies a record when it has come to
the journal and when it is read back from there, in the same order, so that what is rebuilt is what
was: also the packet ids under which messages wait for their subscribers.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

import msgspec

from tocsin.broker.clients import Client, Clients
from tocsin.broker.facts import (
    Came,
    Delivered,
    Expired,
    Fact,
    Left,
    Parted,
    Queued,
    Received,
    Released,
    Restarted,
    Said,
    Subscribed,
    Unsubscribed,
    WillDue,
    Willed,
    WillGone,
    from_record,
)
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.picture import Picture, take_picture
from tocsin.broker.retained import BEFORE
from tocsin.broker.router import Router
from tocsin.broker.settings import Settings
from tocsin.broker.wills import Testament, Wills
from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.credentials import ANONYMOUS
from tocsin.devices.message import Message


class Fold:
    """Owns clients, subscriptions, retained messages and wills, and how far the journal they are.

    Live, the broker calls `take` and `apply` for what the journal has, in its order, then
    `passed`. At the start `restore` and `replay` do.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self.router = Router(self._settings, self._clock)
        self.clients = Clients(self._settings, self.router.subscriptions)
        self.wills = Wills(self._settings.will_grace_s)
        # Of the entry at `_position` so many records are in the state.
        self._position = self._taken = 0
        self.last_at = 0.0
        """Time of the newest record applied (engine time)."""

    def __bool__(self) -> bool:
        """There is something of a client that a restart matters to."""
        return len(self.clients) > 0 or len(self.wills) > 0 or bool(self.clients.guests)

    # -- records -----------------------------------------------------------------------------

    def take(self, message: Message, at: float) -> None:
        """A QoS 1 or 2 message of a client is in the journal: its subscribers get it."""
        if message.qos == 2 and message.packet_id:
            publisher = self.clients.kept(message.client)
            if publisher is not None:
                publisher.session.keep(message.packet_id)
        self.router.route(message, at)

    def apply(self, fact: Fact, at: float, guest: Client | None = None) -> bool:
        """Applies a fact but those of wills, which `Wills` applies itself.

        `guest`: whose shared subscription it is about, while that client is there. For `Came`
        whether a session goes on.
        """
        match fact:
            case Came():
                return self._came(fact)
            case Left(client_id, expiry_s, last_sent, at):
                client = self.clients.kept(client_id)
                if client is not None and client.online:
                    client.session_expiry_s = expiry_s
                    self.clients.left(client, at, last_sent)
            case Expired(client_id, at):
                if (client := self.clients.kept(client_id)) is not None:
                    self.clients.expire(client, at)
            case Subscribed():
                self._subscribed(fact, guest)
            case Unsubscribed(client_id, filters, is_guest):
                guests = self.clients.guests
                client = guests.get(client_id) if is_guest else self.clients.kept(client_id)
                if client is not None:
                    for topic_filter in filters:
                        self.clients.unsubscribe(client, topic_filter)
            case Parted(client_id):
                self.clients.part(client_id)
            case Delivered(ids):
                for client_id, packet_id in ids:
                    if (client := self.clients.kept(client_id)) is not None:
                        client.session.finish(packet_id)
            case Received(ids):
                for client_id, packet_id in ids:
                    if (client := self.clients.kept(client_id)) is not None:
                        client.session.release_due(packet_id)
            case Released(ids):
                for client_id, packet_id in ids:
                    if (client := self.clients.kept(client_id)) is not None:
                        client.session.release(packet_id)
            case Said(topic, payload, qos, retain):
                self.router.say(Message("", topic, payload, qos, retain), kept=True, at=at)
            case Queued(client_id, messages):
                if (client := self.clients.kept(client_id)) is not None:
                    for topic, payload, qos, properties, expires_at, ids in messages:
                        client.deliver(
                            Outgoing(topic, payload, qos, True, properties, expires_at, ids)
                        )
            case Restarted():
                self._restarted(fact)
            case Willed() | WillDue() | WillGone():
                return False
            case _:
                assert_never(fact)
        return False

    def _came(self, fact: Came) -> bool:
        clients = self.clients
        client = clients.kept(fact.client)
        if client is not None and client.online:
            # That it left did not come to the journal.
            clients.left(client, fact.at, None)
            client = clients.kept(fact.client)
        if client is not None and (fact.clean or client.expires_at <= fact.at):
            clients.end(client)  # [MQTT-3.1.2-6]
            client = None
        resumed = client is not None
        if client is None:
            if not fact.expiry_s:
                return False  # a session that nothing is kept of
            client = clients.begin(fact.client, fact.identity, durable=True)
        client.username = fact.username
        client.level = fact.level
        client.session_expiry_s = fact.expiry_s
        clients.came(client)
        return resumed

    def _subscribed(self, fact: Subscribed, guest: Client | None) -> None:
        clients = self.clients
        if fact.guest:
            client = clients.guests.get(fact.client)
            if client is None:
                client = guest or clients.new(fact.client, ANONYMOUS)
                clients.guests[fact.client] = client
        else:
            client = clients.kept(fact.client)
        if client is not None:
            for topic_filter, grant in fact.filters:
                clients.subscribe(client, topic_filter, grant)

    def _restarted(self, fact: Restarted) -> None:
        clients = self.clients
        self.wills.restarted(fact.last_at, fact.at)
        for guest in list(clients.guests):
            clients.part(guest)
        for client in list(clients):
            if client.durable and client.online:
                clients.left(client, fact.last_at, None)

    # -- the journal read back ---------------------------------------------------------------

    def replay(self, records: Sequence[object], at: float, position: int) -> None:
        """Applies what the state does not have of the journal's entry at `position`."""
        if position < self._position:
            return
        own = [each for each in records if isinstance(each, (Message, BrokerFact))]
        known = self._taken if position == self._position else 0
        for record in own[known:]:
            if isinstance(record, BrokerFact):
                fact = from_record(record)
                if isinstance(fact, (Willed, WillDue, WillGone)):
                    self.wills.apply(fact)
                else:
                    self.apply(fact, at)
            else:
                if record.retain:
                    self.router.retain(record, BEFORE, at)
                if record.qos:
                    self.take(record, at)
        self._position, self._taken = position, max(known, len(own))
        self.last_at = at

    def passed(self, position: int, records: int, at: float) -> None:
        """So many records of the entry at `position`, the next ones of it, are in the state."""
        if position == self._position:
            self._taken += records
        else:
            self._position, self._taken = position, records
        self.last_at = at

    # -- snapshots ---------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The state and how far the journal it is."""
        picture = take_picture(self.clients, self.router)
        wills = self.wills.state()
        return _encode(_Snapshot(self._position, self._taken, self.last_at, picture, wills))

    def restore(self, data: bytes) -> None:
        """Becomes what `snapshot` gave; empty: as new. Raises ValueError for anything else."""
        self._begin()
        if not data:
            return
        try:
            snapshot = _decode(data)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a snapshot of the broker: {error}") from error
        self._position, self._taken = snapshot.position, snapshot.taken
        self.last_at = snapshot.last_at
        snapshot.picture.restore(self.clients, self.router)
        self.wills.load(snapshot.wills)


class _Snapshot(msgspec.Struct, tag="tocsin-broker-1"):
    position: int
    taken: int
    last_at: float
    picture: Picture
    wills: list[Testament]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Snapshot).decode
