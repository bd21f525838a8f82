"""Who may publish and subscribe to what: a table read from the top, first match wins."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from weakref import WeakValueDictionary

from tocsin.devices.credentials import Identity, Role

# A longer topic is checked each time: memory is bounded by count and by size.
REMEMBERED_TOPIC_BYTES = 256


class Action(StrEnum):
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: `role` (None: every role) may or may not do `action` on topics of `pattern`.

    A pattern is a topic filter with two additions: the level `{device}` stands for the device
    of the client's credential, and `$…` for every topic that begins with `$`. A wildcard at
    its start matches those too.
    """

    role: Role | None
    action: Action
    pattern: str
    allowed: bool


_PUBLISH, _SUBSCRIBE = Action.PUBLISH, Action.SUBSCRIBE

DEFAULT_RULES: tuple[Rule, ...] = (
    # Only the server publishes here: a client that could would forge alerts.
    Rule(None, _PUBLISH, "tocsin/#", allowed=False),
    Rule(None, _PUBLISH, "$…", allowed=False),
    # A device speaks for itself and hears its own commands; it does not send any.
    Rule(Role.DEVICE, _PUBLISH, "devices/{device}/commands/#", allowed=False),
    Rule(Role.DEVICE, _PUBLISH, "devices/{device}/#", allowed=True),
    Rule(Role.DEVICE, _PUBLISH, "#", allowed=False),
    Rule(Role.DEVICE, _SUBSCRIBE, "devices/{device}/commands/#", allowed=True),
    Rule(Role.DEVICE, _SUBSCRIBE, "#", allowed=False),
    # Operators, and clients without a login where those are trusted (loopback).
    Rule(Role.OPERATOR, _PUBLISH, "#", allowed=True),
    Rule(Role.OPERATOR, _SUBSCRIBE, "#", allowed=True),
    Rule(Role.ANONYMOUS, _PUBLISH, "#", allowed=True),
    Rule(Role.ANONYMOUS, _SUBSCRIBE, "#", allowed=True),
)
"""What matches no row is refused."""


class _Any(StrEnum):
    """Levels of a compiled pattern that are no literal text: a device named `+` stays a name."""

    ONE = "any one level"
    REST = "any levels from here"
    RESERVED = "any levels, the first begins with $"


_Level = str | _Any


class Permit:
    """What one identity may do. Owns the topics it was seen to publish to, as their bytes."""

    __slots__ = ("__weakref__", "_publish", "_subscribe", "topics")

    def __init__(self, identity: Identity, rules: Iterable[Rule]) -> None:
        rows = [rule for rule in rules if rule.role is None or rule.role == identity.role]
        self._publish = _compiled(rows, Action.PUBLISH, identity)
        self._subscribe = _compiled(rows, Action.SUBSCRIBE, identity)
        self.topics: dict[bytes, str] = {}

    def may_publish(self, topic: str) -> bool:
        levels = topic.split("/")
        return next((allowed for row, allowed in self._publish if _matches(row, levels)), False)

    def may_subscribe(self, topic_filter: str) -> bool:
        """True when a row allows every topic of the filter, and none before it refuses one."""
        levels: list[_Level] = [_WILDCARDS.get(level, level) for level in topic_filter.split("/")]
        for row, allowed in self._subscribe:
            if allowed and _covers(row, levels):
                return True
            if not allowed and _overlaps(row, levels):
                return False
        return False


class AccessControl:
    """Owns the rules, and one permit for all connections of an identity.

    `remembered` bounds the topics that all permits together remember; at the bound all forget.
    """

    def __init__(self, rules: Sequence[Rule] = DEFAULT_RULES, *, remembered: int = 65_536) -> None:
        self.rules = tuple(rules)
        self._permits: WeakValueDictionary[Identity, Permit] = WeakValueDictionary()
        self._limit = remembered
        self._remembered = 0

    def permit(self, identity: Identity) -> Permit:
        permit = self._permits.get(identity)
        if permit is None:
            permit = self._permits[identity] = Permit(identity, self.rules)
        return permit

    def remember(self, permit: Permit, name: bytes, topic: str) -> None:
        """`topic`, whose bytes are `name`, is well formed and allowed by `permit`."""
        if len(name) > REMEMBERED_TOPIC_BYTES:
            return
        if self._remembered >= self._limit:
            self._remembered = 0
            for each in self._permits.values():
                each.topics.clear()
        self._remembered += 1
        permit.topics[name] = topic


_WILDCARDS: dict[str, _Any] = {"+": _Any.ONE, "#": _Any.REST, "$…": _Any.RESERVED}


def _compiled(
    rules: Iterable[Rule], action: Action, identity: Identity
) -> list[tuple[list[_Level], bool]]:
    return [
        (levels, rule.allowed)
        for rule in rules
        if rule.action == action and (levels := _levels(rule.pattern, identity)) is not None
    ]


def _levels(pattern: str, identity: Identity) -> list[_Level] | None:
    """The pattern for one identity; None when it names a device and the identity has none."""
    levels: list[_Level] = []
    for level in pattern.split("/"):
        if level != "{device}":
            levels.append(_WILDCARDS.get(level, level))
        elif identity.device is None:
            return None
        else:
            levels.append(identity.device)
    return levels


def _matches(pattern: list[_Level], topic: list[str]) -> bool:
    """True when `pattern` matches the topic of these levels."""
    for depth, level in enumerate(pattern):
        if level is _Any.REST:
            return True
        if level is _Any.RESERVED:
            return topic[0].startswith("$")
        if depth == len(topic):
            return False
        if level is not _Any.ONE and level != topic[depth]:
            return False
    return len(pattern) == len(topic)


def _covers(pattern: list[_Level], wanted: list[_Level]) -> bool:
    """True when `pattern` matches every topic that the filter `wanted` matches."""
    for depth, level in enumerate(pattern):
        if level is _Any.REST:
            return True
        if level is _Any.RESERVED:
            return _is_reserved(wanted[0])
        if depth == len(wanted) or wanted[depth] is _Any.REST:
            return False
        if level is not _Any.ONE and level != wanted[depth]:
            return False
    return len(pattern) == len(wanted)


def _overlaps(pattern: list[_Level], wanted: list[_Level]) -> bool:
    """True when some topic matches both `pattern` and the filter `wanted`."""
    if isinstance(wanted[0], _Any) and (pattern[0] is _Any.RESERVED or _is_reserved(pattern[0])):
        return False  # [MQTT-4.7.2-1]
    for depth, level in enumerate(pattern):
        if level is _Any.REST or (depth < len(wanted) and wanted[depth] is _Any.REST):
            return True
        if level is _Any.RESERVED:
            return _is_reserved(wanted[0])
        if depth == len(wanted):
            return False
        other = wanted[depth]
        if level is not _Any.ONE and other is not _Any.ONE and level != other:
            return False
    return len(pattern) == len(wanted) or wanted[len(pattern) :] == [_Any.REST]


def _is_reserved(level: _Level) -> bool:
    return not isinstance(level, _Any) and level.startswith("$")
