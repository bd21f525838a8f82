"""From a message to those who subscribed to its topic, and what is retained for later ones."""

from tocsin.broker.clients import Client
from tocsin.broker.codec import publish_head
from tocsin.broker.retained import Retained, RetainedMessages
from tocsin.broker.session import Outgoing
from tocsin.broker.settings import Settings
from tocsin.broker.subscriptions import Subscriptions


class Router:
    """Owns subscriptions and retained messages."""

    def __init__(self, settings: Settings) -> None:
        self.subscriptions: Subscriptions[Client] = Subscriptions(settings.remembered_topics)
        self.retained = RetainedMessages(settings.retained_messages, settings.retained_bytes)

    def route(self, topic: str, payload: bytes, qos: int) -> None:
        """Delivers to every subscriber at the lower of both QoS [MQTT-3.8.4-6].

        Hot path: each QoS is encoded at most once, whatever the number of subscribers.
        """
        packet: bytes | None = None
        acknowledged: list[Outgoing | None] = [None, None, None]
        for client, granted in self.subscriptions.match(topic):
            level = granted if granted < qos else qos  # noqa: FURB136 (min() costs five times that)
            if level == 0:
                if packet is None:
                    packet = publish_head(topic, len(payload), 0) + payload
                client.deliver_droppable(packet)
            else:
                message = acknowledged[level]
                if message is None:
                    message = acknowledged[level] = Outgoing(topic, payload, level)
                client.deliver(message)

    def retain(
        self, topic: str, payload: bytes, qos: int, sequence: int, *, bounded: bool = True
    ) -> bool:
        """Keeps the message for later subscribers. False: no room."""
        return self.retained.put(Retained(topic, payload, qos, sequence), bounded=bounded)
