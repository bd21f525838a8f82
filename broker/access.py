"""Who may publish and subscribe to what: a table read from the top, first match wins."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
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

    A pattern is a topic filter with additions: the level `{device}` stands for the device of the
    client's credential, `{user}` for its user name, `{client}` for its client id, and `$…` for
    every topic that begins with `$`. A wildcard at its start matches those too. Who has no device,
    or no user name, has no row that names one.
    """

    role: Role | None
    action: Action
    pattern: str
    allowed: bool
    user: str | None = None
    """The row is for this user name alone."""


_PUBLISH, _SUBSCRIBE = Action.PUBLISH, Action.SUBSCRIBE

SERVER_RULES: tuple[Rule, ...] = (
    # Only the server publishes here: a client that could would forge alerts.
    Rule(None, _PUBLISH, "tocsin/#", allowed=False),
    Rule(None, _PUBLISH, "$…", allowed=False),
)
"""Rows that stand before all others."""

DEFAULT_RULES: tuple[Rule, ...] = (
    *SERVER_RULES,
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


PLACEHOLDERS = ("{device}", "{user}", "{client}")
"""Levels of a pattern that stand for who the client is."""


def with_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The default table with `rules` behind the rows of the server and before the others."""
    return (*SERVER_RULES, *rules, *DEFAULT_RULES[len(SERVER_RULES) :])


class _Any(StrEnum):
    """Levels of a compiled pattern that are no literal text: a device named `+` stays a name."""

    ONE = "any one level"
    REST = "any levels from here"
    RESERVED = "any levels, the first begins with $"


_Level = str | _Any


Advice = Callable[[Action, str], Awaitable[bool]]
"""Somebody else's word on a topic or filter that the table allows. It does not raise."""

VERDICTS = 1_000
"""Answers of an advice that are remembered for one connection; then all are forgotten."""

VERDICT_S = 60.0
"""And for how long: what was taken back counts after a minute at the latest."""


class Undecided(Exception):
    """An advice was asked and has not answered yet."""


class Permit:
    """What one client may do. Owns the topics it was seen to publish to, as their bytes, and what
    an advice, if there is one, has said."""

    __slots__ = ("__weakref__", "_publish", "_subscribe", "_verdicts", "advice", "topics")

    def __init__(self, identity: Identity, client: str, rules: Iterable[Rule]) -> None:
        names = _names(identity, client)
        rows = [
            rule
            for rule in rules
            if rule.role in (None, identity.role) and rule.user in (None, names["{user}"])
        ]
        self._publish = _compiled(rows, Action.PUBLISH, names)
        self._subscribe = _compiled(rows, Action.SUBSCRIBE, names)
        self.topics: dict[bytes, str] = {}
        self.advice: Advice | None = None
        self._verdicts: dict[tuple[Action, str], tuple[float, bool]] | None = None

    def verdict(self, action: Action, topic: str, now: float) -> bool | None:
        """What the advice said; True without one, None: it is still to be asked."""
        if self.advice is None:
            return True
        at, allowed = (self._verdicts or {}).get((action, topic), (-VERDICT_S, False))
        return allowed if now - at < VERDICT_S else None

    def note(self, action: Action, topic: str, allowed: bool, now: float) -> None:
        if self._verdicts is None or len(self._verdicts) >= VERDICTS:
            self._verdicts = {}
        self._verdicts[action, topic] = now, allowed

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
    """Owns the rules, and one permit for all connections of an identity, or of a client id where
    rules name it.

    `remembered` bounds the topics that all permits together remember; at the bound all forget.
    """

    def __init__(self, rules: Sequence[Rule] = DEFAULT_RULES, *, remembered: int = 65_536) -> None:
        self.rules = tuple(rules)
        self._permits: WeakValueDictionary[tuple[Identity, str], Permit] = WeakValueDictionary()
        self._by_client = any("{client}" in rule.pattern.split("/") for rule in self.rules)
        self._limit = remembered
        self._remembered = 0

    def permit(self, identity: Identity, client: str, advice: Advice | None = None) -> Permit:
        """`advice` must agree too; its permit is for one connection."""
        if advice is not None:
            permit = Permit(identity, client, self.rules)
            permit.advice = advice
            return permit
        key = identity, client if self._by_client else ""
        permit = self._permits.get(key)
        if permit is None:
            permit = self._permits[key] = Permit(identity, client, self.rules)
        return permit

    def remember(self, permit: Permit, name: bytes, topic: str) -> None:
        """`topic`, whose bytes are `name`, is well formed and allowed by `permit`."""
        if len(name) > REMEMBERED_TOPIC_BYTES or permit.advice is not None:
            return
        if self._remembered >= self._limit:
            self._remembered = 0
            for each in self._permits.values():
                each.topics.clear()
        self._remembered += 1
        permit.topics[name] = topic


_WILDCARDS: dict[str, _Any] = {"+": _Any.ONE, "#": _Any.REST, "$…": _Any.RESERVED}


def _names(identity: Identity, client: str) -> dict[str, str | None]:
    """What stands for the levels that name who it is; None: nothing does."""
    named = identity.role is not Role.ANONYMOUS
    return {
        "{device}": identity.device,
        "{user}": identity.name if named else None,
        "{client}": client,
    }


def _compiled(
    rules: Iterable[Rule], action: Action, names: Mapping[str, str | None]
) -> list[tuple[list[_Level], bool]]:
    return [
        (levels, rule.allowed)
        for rule in rules
        if rule.action == action and (levels := _levels(rule.pattern, names)) is not None
    ]


def _levels(pattern: str, names: Mapping[str, str | None]) -> list[_Level] | None:
    """The pattern for one client; None when it names something that the client has not."""
    levels: list[_Level] = []
    for level in pattern.split("/"):
        if level not in names:
            levels.append(_WILDCARDS.get(level, level))
        elif (name := names[level]) is None:
            return None
        else:
            levels.append(name)
    return levels


def _matches(pattern: list[_Level], topic: list[str]) -> bool:
    """True when `pattern` matches the topic of these levels.

    A name with a slash is one level of the pattern, and so no level of any topic.
    """
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
