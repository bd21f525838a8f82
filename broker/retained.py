"""The newest retained message of each topic, found by topic or by filter."""

from collections.abc import Iterator

import msgspec

from tocsin.broker.deadlines import Deadlines

_SLOT_S = 0.25

BEFORE = -1
"""The place in the order of arrival of all that came before the start."""


class Retained(msgspec.Struct, frozen=True, gc=False):
    """`sequence` is the message's place in the order in which messages arrived.

    `properties` are those passed on; `expires_at` is engine time, None: never.
    """

    topic: str
    payload: bytes
    qos: int
    sequence: int
    properties: bytes | None = None
    expires_at: float | None = None
    ours: bool = False
    """The server's own: made anew at each start."""

    @property
    def size(self) -> int:
        """What counts against the bound by bytes."""
        return len(self.payload) + len(self.topic) + len(self.properties or b"")


class _Node:
    """One level of the topics that have a retained message."""

    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: Retained | None = None


class RetainedMessages:
    """Owns the retained messages; those of clients are bounded by count and bytes.

    QoS 0 is kept at once and QoS 1 and 2 after their commit, so a message can come here after a
    newer one of its topic: the higher sequence stays, also when the newer one was a deletion.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._root = _Node()
        self._by_topic: dict[str, Retained] = {}
        self._deleted: dict[str, int] = {}
        self._expiring: Deadlines[str] = Deadlines(_SLOT_S)
        self.bytes = 0
        self.full = ""
        """The limit that the message for which there was no room came to last."""
        # Of clients, whose messages are bounded.
        self._theirs = 0
        self._their_bytes = 0

    def __len__(self) -> int:
        return len(self._by_topic)

    def __iter__(self) -> Iterator[Retained]:
        return iter(self._by_topic.values())

    def get(self, topic: str) -> Retained | None:
        return self._by_topic.get(topic)

    def put(self, message: Retained, *, bounded: bool = True) -> bool:
        """Keeps `message`; an empty payload deletes [MQTT-3.3.1-10]. False: no room for it."""
        topic = message.topic
        present = self._by_topic.get(topic)
        newest = present.sequence if present else self._deleted.get(topic, -1)
        if newest > message.sequence:
            return True
        if not message.payload:
            if present:
                self._remove(present)
            # To the end of the dict, which `settle` reads in order of sequence.
            self._deleted.pop(topic, None)
            self._deleted[topic] = message.sequence
            return True
        if bounded and not self._has_room(message, present):
            return False
        if present:
            self._count(present, -1)
        self._count(message, 1)
        self._by_topic[topic] = message
        self._deleted.pop(topic, None)
        if message.expires_at is not None:
            self._expiring.set(topic, message.expires_at)
        elif present and present.expires_at is not None:
            self._expiring.drop(topic)
        node = self._root
        for level in topic.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        node.message = message
        return True

    def _has_room(self, message: Retained, present: Retained | None) -> bool:
        """A message in the place of another needs what it is larger by."""
        freed, place = (present.size, 1) if present and not present.ours else (0, 0)
        if self._theirs - place >= self._limit:
            self.full = "retained_messages"
            return False
        if self._their_bytes - freed + message.size > self._limit_bytes:
            self.full = "retained_bytes"
            return False
        return True

    def _count(self, message: Retained, change: int) -> None:
        self.bytes += change * message.size
        if not message.ours:
            self._theirs += change
            self._their_bytes += change * message.size

    def settle(self, sequence: int) -> None:
        """No message up to `sequence` is still to come: deletions before it are forgotten."""
        while self._deleted:
            topic = next(iter(self._deleted))
            if self._deleted[topic] > sequence:
                return
            del self._deleted[topic]

    def expire(self, now: float) -> None:
        """Forgets the messages whose expiry has passed."""
        for topic in list(self._expiring.pop_due(now)):
            self._remove(self._by_topic[topic])

    def _remove(self, message: Retained) -> None:
        del self._by_topic[message.topic]
        self._expiring.drop(message.topic)
        self._count(message, -1)
        path: list[tuple[_Node, str]] = []
        node = self._root
        for level in message.topic.split("/"):
            path.append((node, level))
            node = node.children[level]
        node.message = None
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.message or child.children:
                return
            del parent.children[level]

    def match(self, topic_filter: str) -> list[Retained]:
        """The retained messages of all topics that `topic_filter` matches."""
        if "+" not in topic_filter and "#" not in topic_filter:
            message = self._by_topic.get(topic_filter)
            return [message] if message else []
        nodes = [self._root]
        levels = topic_filter.split("/")
        for depth, level in enumerate(levels):
            if level == "#":
                return [each for node in nodes for each in _all_below(node, top=depth == 0)]
            if level == "+":
                nodes = [
                    child
                    for node in nodes
                    for name, child in node.children.items()
                    if depth or not name.startswith("$")  # [MQTT-4.7.2-1]
                ]
            else:
                nodes = [child for node in nodes if (child := node.children.get(level))]
        return [node.message for node in nodes if node.message]


def _all_below(node: _Node, *, top: bool) -> Iterator[Retained]:
    """Messages of `node` and under it; at the top without topics that begin with $."""
    stack = [node]
    while stack:
        each = stack.pop()
        if each.message:
            yield each.message
        if top:
            stack += [child for name, child in each.children.items() if not name.startswith("$")]
            top = False
        else:
            stack += each.children.values()
