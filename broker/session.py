"""The MQTT session of one client: what both sides must remember until a delivery is complete.

Pure: no socket, no clock. The versions differ in how a message is written only, so a session
may go on with another version than it began with.
"""

from enum import Enum, auto

from tocsin.broker.outbound import Outbound
from tocsin.broker.subscriptions import Grant


class Arrival(Enum):
    """What a QoS 2 PUBLISH from the client is."""

    NEW = auto()
    REPEATED = auto()
    TOO_MANY = auto()


class Session(Outbound):
    """Owns the deliveries of one client id in both directions, and its subscriptions.

    To the client: `Outbound`. From the client, QoS 2 only: `receive` at PUBLISH, `keep` or
    `forget` when the sink is done, `release` when the PUBREL has its effect.
    """

    __slots__ = ("_inbound", "_unreleased_limit", "subscriptions")

    def __init__(
        self, *, in_flight: int, queued_messages: int, queued_bytes: int, unreleased: int
    ) -> None:
        super().__init__(
            in_flight=in_flight, queued_messages=queued_messages, queued_bytes=queued_bytes
        )
        self._unreleased_limit = unreleased
        self.subscriptions: dict[str, Grant] = {}
        """What was granted, by filter; shared ones with their `$share/group/`."""
        self._inbound: dict[int, bool] | None = None

    def receive(self, packet_id: int) -> Arrival:
        """A QoS 2 PUBLISH came. NEW is to be handed on, once; REPEATED is not [MQTT-4.3.3-2]."""
        inbound = self._inbound
        if inbound is None:
            inbound = self._inbound = {}
        if packet_id in inbound:
            return Arrival.REPEATED
        if len(inbound) >= self._unreleased_limit:
            return Arrival.TOO_MANY
        inbound[packet_id] = False
        return Arrival.NEW

    def keep(self, packet_id: int) -> None:
        """The message is stored: PUBREC may leave, and repeats are known until PUBREL."""
        if self._inbound is None:
            self._inbound = {}
        self._inbound[packet_id] = True

    def is_kept(self, packet_id: int) -> bool:
        return bool((self._inbound or {}).get(packet_id))

    def knows(self, packet_id: int) -> bool:
        """A QoS 2 message of that id came, stored or not yet."""
        return packet_id in (self._inbound or {})

    def forget(self, packet_id: int) -> None:
        """The message could not be stored: the client's next try is new."""
        if self._inbound:
            self._inbound.pop(packet_id, None)

    def release(self, packet_id: int) -> None:
        """PUBREL: the id is free. Before the message is stored nothing changes: PUBREC is due."""
        if self.is_kept(packet_id):
            self.forget(packet_id)

    @property
    def unreleased(self) -> int:
        """QoS 2 messages from the client that it has not released yet."""
        return len(self._inbound or ())

    def kept(self) -> list[int]:
        """The ids of stored QoS 2 messages that the client has not released."""
        return [each for each, stored in (self._inbound or {}).items() if stored]
