"""From a message to those who subscribed to its topic, and what is retained for later ones."""

from collections.abc import Callable

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
        expires_at = self._expires_at(message, at)
        made: dict[tuple[int, bool, tuple[int, ...]], Outgoing] = {}

        def deliver(client: Client, grant: Grant) -> None:
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
                client.deliver(outgoing)
            else:
                client.deliver_now(outgoing)

        for client, grant, own in match.others:
            due = own if client.id == message.client else grant
            if due is not None:
                deliver(client, due)
        for group in match.groups:
            deliver(*group.next(_is_connected))

    def _expires_at(self, message: Message, at: float | None) -> float | None:
        expiry_s = expiry_of(message.properties)
        return None if expiry_s is None else (self._clock() if at is None else at) + expiry_s

    def retain(
        self, message: Message, sequence: int, at: float | None = None, *, bounded: bool = True
    ) -> bool:
        """Keeps the message for later subscribers. False: no room."""
        kept = Retained(
            message.topic,
            message.payload,
            message.qos,
            sequence,
            message.properties,
            self._expires_at(message, at),
        )
        return self.retained.put(kept, bounded=bounded)

    def expire(self) -> None:
        """Forgets retained messages that have expired [MQTT-3.3.2-5]."""
        self.retained.expire(self._clock())


def _is_connected(client: Client) -> bool:
    return client.connection is not None
