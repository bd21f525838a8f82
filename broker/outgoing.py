"""A message on its way to subscribers, as each version of the protocol writes it."""

from tocsin.broker.codec import publish_head
from tocsin.broker.properties import message_properties, without_expiry


class Outgoing:
    """One message as it leaves at one QoS, shared by all subscribers who get the same.

    For 3.1.1 it is encoded once; at QoS 1 and 2 a packet id goes between `head` and `payload`.
    `properties` are those passed on, `expires_at` is engine time, None: never.
    """

    __slots__ = (
        "_plain",
        "expires_at",
        "head",
        "payload",
        "properties",
        "qos",
        "retain",
        "size",
        "subscription_ids",
        "topic",
    )

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool = False,
        properties: bytes | None = None,
        expires_at: float | None = None,
        subscription_ids: tuple[int, ...] = (),
    ) -> None:
        self.head = publish_head(topic, len(payload) + (2 if qos else 0), qos, retain)
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.properties = without_expiry(properties)
        self.expires_at = expires_at
        self.subscription_ids = subscription_ids
        self.size = len(self.head) + len(payload) + (2 if qos else 0) + len(self.properties)
        # A QoS 0 packet of 5 without expiry and alias is the same for all.
        self._plain: bytes | None = None

    def packet(self, packet_id: int, dup: bool = False) -> tuple[bytes, ...]:
        """The parts of the 3.1.1 PUBLISH, to be written one after the other."""
        head = bytes((self.head[0] | 8,)) + self.head[1:] if dup else self.head  # [MQTT-3.3.1-1]
        return head, packet_id.to_bytes(2, "big") if self.qos else b"", self.payload

    def packet5(
        self, packet_id: int, dup: bool, expiry_s: int | None, alias: int, named: bool
    ) -> bytes:
        """The PUBLISH of MQTT 5.

        `alias` 0: none. `named`: with its topic; False when the client knows the alias.
        """
        shared = not self.qos and not alias and expiry_s is None
        if shared and self._plain is not None:
            return self._plain
        extras = message_properties(self.properties, expiry_s, self.subscription_ids, alias)
        if self.qos:
            extras = packet_id.to_bytes(2, "big") + extras
        topic = self.topic if named else ""
        rest = len(extras) + len(self.payload)
        packet = publish_head(topic, rest, self.qos, self.retain, dup) + extras + self.payload
        if shared:
            self._plain = packet
        return packet
