"""Messages on their way to one client: queued, sent, received, done.

A message gets its packet id when it is queued, not when it is sent: ids then follow from the order
of the journal alone, and after a crash the same message goes out with the same id. What a client
answers takes effect on sending at once; the message and its id are gone when `finish` or
`release_due` says that the answer is in the journal (at once for sessions that it does not keep).
"""

from collections import deque
from enum import Enum, auto

from tocsin.broker.outgoing import Outgoing

PACKET_IDS = 65_535
FIRST_LOOSE_ID = 49_152
"""From here on ids are of messages that the journal does not have: they are gone after a crash,
and must not shift the ids of those that are not."""

AS_BEFORE = -1


class Answer(Enum):
    """What a PUBREC from the client says."""

    NEW = auto()
    """The client has the message: PUBREL is due when that is kept."""
    KEPT = auto()
    """It said so before, and PUBREL is due again: the one before may have been lost."""
    PENDING = auto()
    """It said so before, and PUBREL will leave by itself."""
    UNKNOWN = auto()


class _Flow:
    """Made with the first message: most clients are devices that only publish."""

    __slots__ = ("again", "answered", "queue", "released", "sent", "unsent")

    def __init__(self) -> None:
        # All that is to be delivered, in order.
        self.queue: dict[int, Outgoing] = {}
        # Of the queue: not sent on this connection, in order.
        self.unsent: deque[int] = deque()
        # Of the queue: sent on this connection and not answered; while the client is away, what
        # may have reached it.
        self.sent: dict[int, None] = {}
        # Of the unsent: what may have reached the client before, and goes out with DUP.
        self.again: set[int] = set()
        # Received by the client, PUBCOMP not yet.
        self.released: dict[int, None] = {}
        # Answered, of the queue or formerly released; kept until the answer is in the journal.
        self.answered: set[int] = set()


class Outbound:
    """Owns the deliveries to one client id, in their order."""

    __slots__ = (
        "_flow",
        "_last_id",
        "_last_loose_id",
        "_queue_bytes_limit",
        "_queue_limit",
        "waiting_bytes",
        "window",
    )

    def __init__(self, *, in_flight: int, queued_messages: int, queued_bytes: int) -> None:
        self.window = in_flight
        """Most messages in flight to the client at a time."""
        self._queue_limit = queued_messages
        self._queue_bytes_limit = queued_bytes
        self.waiting_bytes = 0
        self._flow: _Flow | None = None
        self._last_id = 0
        self._last_loose_id = FIRST_LOOSE_ID - 1

    @property
    def waiting(self) -> int:
        """Messages not yet sent on any connection."""
        flow = self._flow
        return len(flow.unsent) - len(flow.again) if flow else 0

    @property
    def in_flight(self) -> int:
        """Messages sent, now or on a connection before, and not yet completed."""
        flow = self._flow
        return len(flow.sent) + len(flow.again) + len(flow.released) if flow else 0

    # -- the queue -----------------------------------------------------------------------

    def full(self, message: Outgoing) -> str | None:
        """The limit that leaves no room for `message`, if one does. Alone none is too large."""
        waiting = self.waiting
        if waiting >= self._queue_limit and waiting:
            return "queued_messages"
        if waiting and self.waiting_bytes + message.size > self._queue_bytes_limit:
            return "queued_bytes"
        return None

    def offer(self, message: Outgoing, *, bounded: bool = True, loose: bool = False) -> bool:
        """Puts `message` behind those that wait. False: no room or no id free, nothing done.

        `loose`: the journal does not have it.
        """
        if bounded and self.full(message) is not None:
            return False
        flow = self._flow
        if flow is None:
            flow = self._flow = _Flow()
        packet_id = self._free_loose_id(flow) if loose else self._free_id(flow)
        if packet_id is None:
            return False
        flow.queue[packet_id] = message
        flow.unsent.append(packet_id)
        self.waiting_bytes += message.size
        return True

    def _free_id(self, flow: _Flow) -> int | None:
        # [MQTT-2.3.1-2] Which one it is depends on the order of the journal alone.
        packet_id = self._last_id
        for _ in range(FIRST_LOOSE_ID):
            packet_id = packet_id % (FIRST_LOOSE_ID - 1) + 1
            if not _in_use(flow, packet_id):
                self._last_id = packet_id
                return packet_id
        return None

    def _free_loose_id(self, flow: _Flow) -> int | None:
        packet_id = self._last_loose_id
        for _ in range(PACKET_IDS - FIRST_LOOSE_ID + 1):
            packet_id = FIRST_LOOSE_ID if packet_id == PACKET_IDS else packet_id + 1
            if not _in_use(flow, packet_id):
                self._last_loose_id = packet_id
                return packet_id
        return None

    def drop_oldest(self) -> bool:
        """Forgets the message that waits longest. False: all that is left may have been sent.

        Such a one is never dropped: at QoS 2 the client may have its id, and would take the
        next message of that id for a repeated one.
        """
        flow = self._flow
        while flow and flow.unsent:
            packet_id = flow.unsent[0]
            if packet_id in flow.again:
                return False
            flow.unsent.popleft()
            if packet_id in flow.queue and packet_id not in flow.answered:
                self.waiting_bytes -= flow.queue.pop(packet_id).size
                return True
        return False

    def trim(self) -> list[str]:
        """Drops what is over the bound, the oldest first; gives the limit that each was over."""
        limits: list[str] = []
        while (
            (by_number := self.waiting > self._queue_limit)
            or (self.waiting > 1 and self.waiting_bytes > self._queue_bytes_limit)
        ) and self.drop_oldest():
            limits.append("queued_messages" if by_number else "queued_bytes")
        return limits

    # -- sending -------------------------------------------------------------------------

    def sendable(self) -> tuple[int, Outgoing, bool] | None:
        """The next message, its packet id, and whether it may have been sent before (DUP).

        From now on it is in flight. None: nothing waits, or the window is full.
        """
        flow = self._flow
        if flow is None or not flow.unsent or len(flow.sent) + len(flow.released) >= self.window:
            return None
        while flow.unsent:
            packet_id = flow.unsent.popleft()
            message = flow.queue.get(packet_id)
            if message is None or packet_id in flow.answered:
                continue  # answered from the connection before, before its turn came again
            again = packet_id in flow.again
            if again:
                flow.again.discard(packet_id)
            else:
                self.waiting_bytes -= message.size
            flow.sent[packet_id] = None
            return packet_id, message, again
        return None

    def resume(self) -> list[int]:
        """A new connection: all is to be sent again. Gives the ids whose PUBREL goes first.

        Everything keeps its first order [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.6.0-4].
        """
        flow = self._flow
        if flow is None:
            return []
        flow.again = {each for each in (*flow.sent, *flow.again) if each in flow.queue}
        flow.sent = {}
        self._queue_again(flow)
        return [each for each in flow.released if each not in flow.answered]

    def _queue_again(self, flow: _Flow) -> None:
        flow.unsent = deque(
            each for each in flow.queue if each not in flow.answered and each not in flow.sent
        )
        self.waiting_bytes = sum(
            flow.queue[each].size for each in flow.unsent if each not in flow.again
        )

    # -- answers -------------------------------------------------------------------------

    def acknowledge(self, packet_id: int) -> bool:
        """PUBACK came: QoS 1 is delivered, `finish` is due. False: no such message is open."""
        return self._answer(packet_id, 1)

    def received(self, packet_id: int) -> Answer:
        """PUBREC came. If that is NEW, `release_due` or `unanswer` is due."""
        flow = self._flow
        if flow is None:
            return Answer.UNKNOWN
        if self._answer(packet_id, 2):
            return Answer.NEW
        if packet_id in flow.released:
            return Answer.KEPT
        pending = packet_id in flow.answered and packet_id in flow.queue
        return Answer.PENDING if pending else Answer.UNKNOWN

    def complete(self, packet_id: int) -> bool:
        """PUBCOMP came: QoS 2 is delivered, `finish` is due. False: the id is unknown."""
        flow = self._flow
        if flow is None or packet_id not in flow.released:
            return False
        del flow.released[packet_id]
        flow.answered.add(packet_id)
        return True

    def abandon(self, packet_id: int) -> bool:
        """What is in flight by that id ends without delivery, `finish` is due. False: unknown."""
        return self._answer(packet_id, None)

    def _answer(self, packet_id: int, qos: int | None) -> bool:
        flow = self._flow
        if flow is None or (packet_id not in flow.sent and packet_id not in flow.again):
            return False
        if qos is not None and flow.queue[packet_id].qos != qos:
            return False
        flow.sent.pop(packet_id, None)
        flow.again.discard(packet_id)
        flow.answered.add(packet_id)
        return True

    def unanswer(self, packet_id: int) -> None:
        """The answer could not be kept: the message is open again."""
        flow = self._flow
        if flow and packet_id in flow.answered and packet_id in flow.queue:
            flow.answered.discard(packet_id)
            flow.sent[packet_id] = None

    def finish(self, packet_id: int) -> None:
        """The delivery is over, and the id free."""
        flow = self._flow
        if flow:
            _forget(flow, packet_id)
            flow.released.pop(packet_id, None)

    def release_due(self, packet_id: int) -> None:
        """That the client has the message is kept: PUBREL may leave, the message is gone."""
        flow = self._flow
        if flow and packet_id in flow.queue:
            _forget(flow, packet_id)
            flow.released[packet_id] = None

    # -- over restarts -------------------------------------------------------------------

    @property
    def last_sent(self) -> int:
        """The last of the queue that may have reached the client; 0: none."""
        flow = self._flow
        if flow and (flow.sent or flow.again):
            for packet_id in reversed(flow.queue):
                if packet_id < FIRST_LOOSE_ID and (
                    packet_id in flow.sent or packet_id in flow.again
                ):
                    return packet_id
        return 0

    def left(self, last_sent: int | None) -> None:
        """The connection ended: messages through `last_sent` may have arrived; None: any may.

        AS_BEFORE: nothing was sent on it, and what may have arrived before still may.
        """
        flow = self._flow
        if flow is None:
            return
        if last_sent != AS_BEFORE:
            flow.sent = {}
            flow.again = set()
        if last_sent is None or last_sent in flow.queue:
            for packet_id in flow.queue:
                flow.sent[packet_id] = None
                if packet_id == last_sent:
                    break
        self._queue_again(flow)

    def state(self) -> tuple[int, int, list[tuple[int, Outgoing]], list[int]]:
        """The last id given, `last_sent`, the queue, and ids received by the client."""
        flow = self._flow
        if flow is None:
            return self._last_id, 0, [], []
        queue = [(each, flow.queue[each]) for each in flow.queue if each < FIRST_LOOSE_ID]
        completing = [each for each in sorted(flow.answered) if each not in flow.queue]
        released = [each for each in (*completing, *flow.released) if each < FIRST_LOOSE_ID]
        return self._last_id, self.last_sent, queue, released

    def load(
        self, last_id: int, last_sent: int, queue: list[tuple[int, Outgoing]], released: list[int]
    ) -> None:
        """Becomes what `state` gave."""
        self._last_id = last_id
        if queue or released:
            flow = self._flow = _Flow()
            flow.queue = dict(queue)
            flow.released = dict.fromkeys(released)
            self.left(last_sent)


def _in_use(flow: _Flow, packet_id: int) -> bool:
    return packet_id in flow.queue or packet_id in flow.released or packet_id in flow.answered


def _forget(flow: _Flow, packet_id: int) -> None:
    flow.answered.discard(packet_id)
    flow.sent.pop(packet_id, None)
    flow.again.discard(packet_id)
    flow.queue.pop(packet_id, None)
