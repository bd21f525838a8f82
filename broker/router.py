"""From a message to those who subscribed to its topic, and what is retained for later ones."""

from collections.abc import Callable, Iterable, Iterator

from tocsin.broker.clients import Client
from tocsin.broker.codec import publish_head
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.properties import expiry_of
from tocsin.broker.retained import Retained, RetainedMessages
from tocsin.broker.settings import Settings
from tocsin.broker.subscriptions import Grant, Match, Subscriptions
from tocsin.devices.message import Message


class Router:
    """Owns subscriptions and retained messages. `clock` is engine time, as `at` is."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.subscriptions: Subscriptions[Client] = Subscriptions(settings.remembered_topics)
        self.retained = RetainedMessages(settings.retained_messages, settings.retained_bytes)

    def route(self, message: Message, at: float | None = None) -> None:
        """Delivers to every subscriber at the lower of both QoS [MQTT-3.8.4-6].

        `at`: when it arrived, None: now. Hot path: each QoS is encoded at most once, whatever
        the number of subscribers.
        """
        match = self.subscriptions.match(message.topic)
        if match.plain:
            topic, payload, qos = message.topic, message.payload, message.qos
            packet: bytes | None = None
            acknowledged: list[Outgoing | None] = [None, None, None]
            for client, granted in match.plain:
                level = granted if granted < qos else qos  # noqa: FURB136 (min() costs five times that)
                if level == 0:
                    if packet is None:
                        packet = publish_head(topic, len(payload), 0) + payload
                    client.deliver_droppable(packet)
                else:
                    outgoing = acknowledged[level]
                    if outgoing is None:
                        expires_at = self._expires_at(message, at)
                        outgoing = acknowledged[level] = Outgoing(
                            topic, payload, level, False, message.properties, expires_at
                        )
                    client.deliver(outgoing)
        if match.special:
            self._route_special(message, match, at)

    def _route_special(self, message: Message, match: Match[Client], at: float | None) -> None:
        """Delivers to subscribers of MQTT 5, and to one member of each group."""
        due = ((client, own if client.id == message.client else grant)
               for client, grant, own in match.others)  # fmt: skip
        self._deliver(message, due, at)
        self._deliver(message, self._turns(message, match), at)

    def _turns(self, message: Message, match: Match[Client]) -> Iterator[tuple[Client, Grant]]:
        for group in match.groups:
            yield group.next(_is_online, passing=not message.qos)

    def _deliver(
        self,
        message: Message,
        due: Iterable[tuple[Client, Grant | None]],
        at: float | None,
        *,
        loose: bool = False,
    ) -> None:
        expires_at = self._expires_at(message, at)
        made: dict[tuple[int, bool, tuple[int, ...]], Outgoing] = {}
        for client, grant in due:
            if grant is None:
                continue
            qos = min(grant.qos, message.qos)
            # [MQTT-3.3.1-12] [MQTT-3.3.1-13]
            retain = message.retain and grant.retain_as_published
            form = qos, retain, grant.subscription_ids
            outgoing = made.get(form)
            if outgoing is None:
                outgoing = made[form] = Outgoing(
                    message.topic, message.payload, qos, retain, message.properties, expires_at,
                    grant.subscription_ids,
                )  # fmt: skip
            if qos:
                client.deliver(outgoing, loose=loose)
            else:
                client.deliver_now(outgoing)

    # -- the server's own messages -----------------------------------------------------------

    def is_kept_for(self, topic: str) -> bool:
        """A session in the journal may get a message of that topic, or a group's turn moves."""
        match = self.subscriptions.match(topic)
        return bool(match.groups) or any(client.durable for client, _ in _subscribers(match))

    def say(
        self, message: Message, *, kept: bool, at: float | None = None, loose: bool = False
    ) -> None:
        """Delivers to sessions that are in the journal, and groups, or (not `kept`) to the rest.

        `loose`: the journal does not have the message.
        """
        match = self.subscriptions.match(message.topic)
        self._deliver(
            message,
            (each for each in _subscribers(match) if each[0].durable is kept),
            at,
            loose=loose,
        )
        if kept:
            self._deliver(message, self._turns(message, match), at, loose=loose)

    def _expires_at(self, message: Message, at: float | None) -> float | None:
        expiry_s = expiry_of(message.properties)
        return None if expiry_s is None else (self._clock() if at is None else at) + expiry_s

    def retain(
        self, message: Message, sequence: int, at: float | None = None, *, bounded: bool = True
    ) -> bool:
        """Keeps the message for later subscribers. False: no room. Not `bounded`: the server's."""
        kept = Retained(
            message.topic,
            message.payload,
            message.qos,
            sequence,
            message.properties,
            self._expires_at(message, at),
            ours=not bounded,
        )
        return self.retained.put(kept, bounded=bounded)

    def expire(self) -> None:
        """Forgets retained messages that have expired [MQTT-3.3.2-5]."""
        self.retained.expire(self._clock())


def _is_online(client: Client) -> bool:
    return client.online


def _subscribers(match: Match[Client]) -> Iterator[tuple[Client, Grant]]:
    """All but the groups; for the server's messages none is a subscriber's own."""
    for client, qos in match.plain:
        yield client, Grant(qos)
    for client, grant, _ in match.others:
        yield client, grant
