"""Who gets a topic: exact filters in a dict, wildcard filters in a trie, answers remembered."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from tocsin.broker.topics import has_wildcard

S = TypeVar("S", bound=Hashable)

Match = tuple[tuple[S, int], ...]
"""Subscribers with the highest QoS that any of their matching filters was granted."""


class _Node(Generic[S]):
    """One level of the wildcard filters."""

    __slots__ = ("children", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[S]] = {}
        self.subscribers: dict[S, int] = {}


class Subscriptions(Generic[S]):
    """Owns all subscriptions of all subscribers.

    `match` costs a dict lookup for a topic seen before. A filter without wildcard makes one
    remembered answer stale, one with wildcards makes all of them stale.
    """

    def __init__(self, remembered: int = 65_536) -> None:
        self._exact: dict[str, dict[S, int]] = {}
        self._root: _Node[S] = _Node()
        self._answers: dict[str, Match[S]] = {}
        self._remembered = remembered
        self._size = 0

    def __len__(self) -> int:
        """Subscriptions, wildcard and exact."""
        return self._size

    def add(self, topic_filter: str, subscriber: S, qos: int) -> None:
        """Subscribes, or changes the QoS of a subscription that is there [MQTT-3.8.4-3]."""
        if has_wildcard(topic_filter):
            node = self._root
            for level in topic_filter.split("/"):
                child = node.children.get(level)
                if child is None:
                    child = node.children[level] = _Node()
                node = child
            subscribers = node.subscribers
            self._answers.clear()
        else:
            subscribers = self._exact.setdefault(topic_filter, {})
            self._answers.pop(topic_filter, None)
        self._size += subscriber not in subscribers
        subscribers[subscriber] = qos

    def remove(self, topic_filter: str, subscriber: S) -> bool:
        """Ends a subscription. False: there was none."""
        if not has_wildcard(topic_filter):
            subscribers = self._exact.get(topic_filter, {})
            if subscribers.pop(subscriber, None) is None:
                return False
            if not subscribers:
                del self._exact[topic_filter]
            self._answers.pop(topic_filter, None)
            self._size -= 1
            return True
        path: list[tuple[_Node[S], str]] = []
        node = self._root
        for level in topic_filter.split("/"):
            child = node.children.get(level)
            if child is None:
                return False
            path.append((node, level))
            node = child
        if node.subscribers.pop(subscriber, None) is None:
            return False
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.subscribers or child.children:
                break
            del parent.children[level]
        self._answers.clear()
        self._size -= 1
        return True

    def match(self, topic: str) -> Match[S]:
        """Everybody subscribed to `topic`, each once [MQTT-3.3.5-1]."""
        answer = self._answers.get(topic)
        if answer is None:
            answer = self._walk(topic)
            if len(self._answers) >= self._remembered:
                self._answers.clear()
            self._answers[topic] = answer
        return answer

    def _walk(self, topic: str) -> Match[S]:
        found = dict(self._exact.get(topic, {}))
        levels = topic.split("/")
        nodes = [self._root]
        for depth, level in enumerate(levels):
            # [MQTT-4.7.2-1] A wildcard at the start does not match a topic that begins with $.
            wild = depth > 0 or not topic.startswith("$")
            below: list[_Node[S]] = []
            for node in nodes:
                children = node.children
                if (child := children.get(level)) is not None:
                    below.append(child)
                if wild:
                    if (child := children.get("+")) is not None:
                        below.append(child)
                    if (child := children.get("#")) is not None:
                        _take_highest(found, child.subscribers)
            nodes = below
            if not nodes:
                break
        for node in nodes:
            _take_highest(found, node.subscribers)
            # [MQTT-4.7.1-2] a/# matches a too.
            if (child := node.children.get("#")) is not None:
                _take_highest(found, child.subscribers)
        return tuple(found.items())


def _take_highest(found: dict[S, int], subscribers: dict[S, int]) -> None:
    for subscriber, qos in subscribers.items():
        if qos > found.get(subscriber, -1):
            found[subscriber] = qos
