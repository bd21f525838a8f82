"""The MQTT session of one client: what both sides must remember until a delivery is complete.

Pure: no socket, no clock. The versions differ in how a message is written only, so a session
may go on with another version than it began with.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from tocsin.broker.outgoing import Outgoing
from tocsin.broker.subscriptions import Grant

PACKET_IDS = 65_535


class Arrival(Enum):
    """What a QoS 2 PUBLISH from the client is."""

    NEW = auto()
    REPEATED = auto()
    TOO_MANY = auto()


class Session:
    """Owns the deliveries of one client id in both directions, and its subscriptions.

    To the client: `offer` puts a message behind the others, `sendable` moves the oldest into
    flight, `acknowledge`, `received` and `complete` end it. From the client, QoS 2 only:
    `receive` at PUBLISH, `commit` or `forget` when the sink is done, `release` at PUBREL.
    """

    __slots__ = (
        "_in_flight",
        "_inbound",
        "_last_id",
        "_queue_bytes_limit",
        "_queue_limit",
        "_released",
        "_unreleased_limit",
        "_waiting",
        "subscriptions",
        "waiting_bytes",
        "window",
    )

    def __init__(
        self, *, in_flight: int, queued_messages: int, queued_bytes: int, unreleased: int
    ) -> None:
        self.window = in_flight
        """Most messages in flight to the client at a time."""
        self._queue_limit = queued_messages
        self._queue_bytes_limit = queued_bytes
        self._unreleased_limit = unreleased
        self.subscriptions: dict[str, Grant] = {}
        """What was granted, by filter; shared ones with their `$share/group/`."""
        self.waiting_bytes = 0
        # Lazily made: most clients are devices that only publish.
        self._waiting: deque[Outgoing] | None = None
        self._in_flight: dict[int, Outgoing] | None = None
        self._released: dict[int, None] | None = None
        self._inbound: dict[int, bool] | None = None
        self._last_id = 0

    # -- to the client ---------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Messages not yet sent."""
        return len(self._waiting or ())

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet completed."""
        return len(self._in_flight or ()) + len(self._released or ())

    def offer(self, message: Outgoing) -> bool:
        """Puts `message` behind those that wait. False: the queue is at its bound, nothing done."""
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = deque()
        elif waiting and (
            len(waiting) >= self._queue_limit
            or self.waiting_bytes + message.size > self._queue_bytes_limit
        ):
            return False
        waiting.append(message)
        self.waiting_bytes += message.size
        return True

    def drop_oldest(self) -> None:
        """Forgets the message that waits longest; one in flight is never dropped."""
        if self._waiting:
            self.waiting_bytes -= self._waiting.popleft().size

    def sendable(self) -> tuple[int, Outgoing] | None:
        """The next message to send and its packet id; from now on it is in flight."""
        waiting = self._waiting
        if not waiting:
            return None
        flight = self._in_flight
        if flight is None:
            flight = self._in_flight = {}
        if len(flight) + len(self._released or ()) >= self.window:
            return None
        message = waiting.popleft()
        self.waiting_bytes -= message.size
        packet_id = self._free_id()
        flight[packet_id] = message
        return packet_id, message

    def _free_id(self) -> int:
        # [MQTT-2.3.1-2] The bound on flight leaves a free one.
        packet_id = self._last_id
        while True:
            packet_id = packet_id % PACKET_IDS + 1
            if packet_id not in (self._in_flight or ()) and packet_id not in (self._released or ()):
                self._last_id = packet_id
                return packet_id

    def acknowledge(self, packet_id: int) -> bool:
        """PUBACK came: QoS 1 is delivered. False: nothing of that id at QoS 1 was in flight."""
        message = (self._in_flight or {}).get(packet_id)
        if message is None or message.qos != 1:
            return False
        assert self._in_flight is not None
        del self._in_flight[packet_id]
        return True

    def received(self, packet_id: int) -> bool:
        """PUBREC came: the client has the message, PUBREL is due. False: the id is unknown.

        Also true for a PUBREC that came before: its PUBREL may have been lost.
        """
        flight = self._in_flight or {}
        message = flight.get(packet_id)
        if message is not None and message.qos == 2:
            del flight[packet_id]
            if self._released is None:
                self._released = {}
            self._released[packet_id] = None
            return True
        return packet_id in (self._released or ())

    def abandon(self, packet_id: int) -> bool:
        """What is in flight by that id ends without delivery. False: there is no such message."""
        return (self._in_flight or {}).pop(packet_id, None) is not None

    def complete(self, packet_id: int) -> bool:
        """PUBCOMP came: QoS 2 is delivered. False: the id is unknown."""
        if packet_id not in (self._released or ()):
            return False
        assert self._released is not None
        del self._released[packet_id]
        return True

    def resume(self) -> Iterator[tuple[int, Outgoing | None]]:
        """What a new connection sends first: PUBRELs (None), then PUBLISHes, to be sent with DUP.

        Each kind in its first order [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.6.0-4].
        """
        for packet_id in list(self._released or ()):
            if packet_id in (self._released or ()):
                yield packet_id, None
        for packet_id, message in list((self._in_flight or {}).items()):
            # It may be acknowledged before its turn: the client had it from the last connection.
            if (self._in_flight or {}).get(packet_id) is message:
                yield packet_id, message

    # -- from the client, QoS 2 --------------------------------------------------------

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

    def commit(self, packet_id: int) -> bool:
        """The message is stored: PUBREC may leave. False: it was forgotten meanwhile."""
        inbound = self._inbound
        if not inbound or packet_id not in inbound:
            return False
        inbound[packet_id] = True
        return True

    def is_committed(self, packet_id: int) -> bool:
        return bool((self._inbound or {}).get(packet_id))

    def forget(self, packet_id: int) -> None:
        """The message could not be stored: the client's next try is new."""
        if self._inbound:
            self._inbound.pop(packet_id, None)

    def release(self, packet_id: int) -> bool:
        """PUBREL came: the id is free. Before the commit nothing changes: PUBREC is still due.

        False: the id is unknown.
        """
        known = packet_id in (self._inbound or {})
        if self.is_committed(packet_id):
            self.forget(packet_id)
        return known

    @property
    def unreleased(self) -> int:
        """QoS 2 messages from the client that it has not released yet."""
        return len(self._inbound or ())
