"""Who gets a topic: exact filters in a dict, wildcard filters in a trie, answers remembered."""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

import msgspec

from tocsin.broker.topics import has_wildcard, is_shared, split_shared

S = TypeVar("S", bound=Hashable)


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a subscription was granted. All but `qos` is MQTT 5's (3.8.3.1, 3.8.2.1.2)."""

    qos: int
    five: bool = False
    """The subscriber speaks MQTT 5."""
    no_local: bool = False
    """It does not get what it published itself [MQTT-3.8.3-3]."""
    retain_as_published: bool = False
    subscription_ids: tuple[int, ...] = ()


class Group(Generic[S]):
    """Owns the members of one shared subscription, in the order of their turns.

    Messages of QoS 0 are handed out before they are in the journal, so their turns are others:
    those of QoS 1 and 2 follow from the order of the journal alone.
    """

    __slots__ = ("_passing", "_turns")

    def __init__(self) -> None:
        self._turns: dict[S, Grant] = {}
        self._passing: dict[S, None] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def __contains__(self, member: S) -> bool:
        return member in self._turns

    def __iter__(self) -> Iterator[S]:
        """The members, whose turn comes first first."""
        return iter(self._turns)

    def join(self, member: S, grant: Grant) -> None:
        self._turns[member] = grant
        self._passing[member] = None

    def leave(self, member: S) -> bool:
        self._passing.pop(member, None)
        return self._turns.pop(member, None) is not None

    def next(self, here: Callable[[S], bool], *, passing: bool) -> tuple[S, Grant]:
        """Whose turn it is: the first who is `here`, else the first; it goes to the end.

        `passing`: for a message that no order in the journal depends on.
        """
        turns = self._passing if passing else self._turns
        member = next(filter(here, turns), None)
        if member is None:
            member = next(iter(turns))
        grant = self._turns[member]
        if passing:
            del self._passing[member]
            self._passing[member] = None
        else:
            del self._turns[member]
            self._turns[member] = grant
        return member, grant


class Match(Generic[S]):
    """Who gets one topic: `plain` in the form of 3.1.1, with their QoS, and all others.

    Of `others` each has what it gets, and what of its own messages (None: nothing). Everybody
    is there once, with all matching subscriptions in one grant [MQTT-3.3.5-1].
    """

    __slots__ = ("groups", "others", "plain", "special")

    def __init__(
        self,
        plain: tuple[tuple[S, int], ...],
        others: tuple[tuple[S, Grant, Grant | None], ...],
        groups: tuple[Group[S], ...],
    ) -> None:
        self.plain = plain
        self.others = others
        self.groups = groups
        self.special = bool(others or groups)

    def __bool__(self) -> bool:
        return bool(self.plain) or self.special


class _Node(Generic[S]):
    """One level of the wildcard filters."""

    __slots__ = ("children", "groups", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[S]] = {}
        self.subscribers: dict[S, Grant] = {}
        self.groups: dict[str, Group[S]] | None = None
        """By name; None: nobody shares this filter."""

    def is_empty(self) -> bool:
        return not (self.children or self.subscribers or self.groups)


class Subscriptions(Generic[S]):
    """Owns all subscriptions of all subscribers.

    `match` costs a dict lookup for a topic seen before. A filter without wildcard makes one
    remembered answer stale, one with wildcards makes all of them stale.
    """

    def __init__(self, remembered: int = 65_536) -> None:
        self._exact: dict[str, _Node[S]] = {}
        self._root: _Node[S] = _Node()
        self._answers: dict[str, Match[S]] = {}
        self._remembered = remembered
        self._size = 0
        self.shared: dict[str, Group[S]] = {}
        """Groups by their whole filter, `$share/group/…`."""

    def __len__(self) -> int:
        """Subscriptions, wildcard, exact and shared."""
        return self._size

    def add(self, whole_filter: str, subscriber: S, grant: Grant) -> None:
        """Subscribes, or changes the grant of a subscription that is there [MQTT-3.8.4-3].

        Raises ValueError for a shared filter that is cut off.
        """
        group_name, inner = split_shared(whole_filter) if is_shared(whole_filter) else ("", "")
        topic_filter = inner or whole_filter
        if has_wildcard(topic_filter):
            node = self._root
            for level in topic_filter.split("/"):
                child = node.children.get(level)
                if child is None:
                    child = node.children[level] = _Node()
                node = child
            self._answers.clear()
        else:
            node = self._exact.get(topic_filter)
            if node is None:
                node = self._exact[topic_filter] = _Node()
            self._answers.pop(topic_filter, None)
        if group_name:
            if node.groups is None:
                node.groups = {}
            group = node.groups.setdefault(group_name, Group())
            self.shared[whole_filter] = group
            self._size += subscriber not in group
            group.join(subscriber, grant)
        else:
            self._size += subscriber not in node.subscribers
            node.subscribers[subscriber] = grant

    def remove(self, whole_filter: str, subscriber: S) -> bool:
        """Ends a subscription. False: there was none."""
        removed = self._remove(whole_filter, subscriber)
        group = self.shared.get(whole_filter)
        if group is not None and not group:
            del self.shared[whole_filter]
        return removed

    def _remove(self, whole_filter: str, subscriber: S) -> bool:
        group_name, inner = split_shared(whole_filter) if is_shared(whole_filter) else ("", "")
        topic_filter = inner or whole_filter
        if not has_wildcard(topic_filter):
            node = self._exact.get(topic_filter)
            if node is None or not _leave(node, group_name, subscriber):
                return False
            if node.is_empty():
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
        if not _leave(node, group_name, subscriber):
            return False
        for parent, level in reversed(path):
            if not parent.children[level].is_empty():
                break
            del parent.children[level]
        self._answers.clear()
        self._size -= 1
        return True

    def match(self, topic: str) -> Match[S]:
        """Everybody subscribed to `topic`."""
        answer = self._answers.get(topic)
        if answer is None:
            answer = _joined(self._walk(topic))
            if len(self._answers) >= self._remembered:
                self._answers.clear()
            self._answers[topic] = answer
        return answer

    def _walk(self, topic: str) -> list[_Node[S]]:
        """The ends of all filters that match `topic`."""
        found: list[_Node[S]] = []
        if (exact := self._exact.get(topic)) is not None:
            found.append(exact)
        nodes = [self._root]
        for depth, level in enumerate(topic.split("/")):
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
                        found.append(child)
            nodes = below
            if not nodes:
                break
        for node in nodes:
            found.append(node)
            # [MQTT-4.7.1-2] a/# matches a too.
            if (child := node.children.get("#")) is not None:
                found.append(child)
        return found


def _leave(node: _Node[S], group_name: str, subscriber: S) -> bool:
    if not group_name:
        return node.subscribers.pop(subscriber, None) is not None
    group = (node.groups or {}).get(group_name)
    if group is None or node.groups is None or not group.leave(subscriber):
        return False
    if not group:
        del node.groups[group_name]
    return True


def _joined(nodes: list[_Node[S]]) -> Match[S]:
    grants: dict[S, Grant] = {}
    own: dict[S, Grant] = {}
    for node in nodes:
        for subscriber, grant in node.subscribers.items():
            grants[subscriber] = _merged(grants.get(subscriber), grant)
            if not grant.no_local:
                own[subscriber] = _merged(own.get(subscriber), grant)
    plain = tuple((each, grant.qos) for each, grant in grants.items() if not grant.five)
    others = tuple((each, grant, own.get(each)) for each, grant in grants.items() if grant.five)
    groups = tuple(group for node in nodes for group in (node.groups or {}).values())
    return Match(plain, others, groups)


def _merged(one: Grant | None, other: Grant) -> Grant:
    """One delivery for two subscriptions: the higher QoS, all identifiers [MQTT-3.3.4-4]."""
    if one is None:
        return other
    return Grant(
        max(one.qos, other.qos),
        one.five or other.five,
        retain_as_published=one.retain_as_published or other.retain_as_published,
        subscription_ids=one.subscription_ids + other.subscription_ids,
    )
