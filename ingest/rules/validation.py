"""A rule checked key by key and made ready for the engine."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from tocsin.devices.profile import FIELD_PLACE
from tocsin.devices.tags import check_tag_name, check_tags
from tocsin.ingest.rules.across import calls_across
from tocsin.ingest.rules.checker import Checked, check, check_counts, require_condition
from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.rules.expression import Expression
from tocsin.ingest.rules.message import ABOUT, Place, Template, TemplateError, parse_template
from tocsin.ingest.rules.parser import parse
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.selector import Selector
from tocsin.ingest.rules.silence import without_absent
from tocsin.ingest.rules.stated import Stated
from tocsin.ingest.rules.tokens import ExpressionError

MAX_NAME = 100
"""Characters of a rule's name, which is a level of its alert topics and of its URL."""

MAX_DELAY_S = 7 * 86400.0
"""Seconds of an on-delay or off-delay. What may wait longer than a week is no alarm."""

MIN_RE_ALARM_S = 10.0
"""Seconds. An alarm that rings again sooner is noise."""

MAX_NAMES = 20
"""Rules that inhibit one rule, and channels that it rings."""

RESERVED = "tocsin."
"""What the names of Tocsin's own alarms begin with."""

T = TypeVar("T")

GROUP_PLACES = ("value", "count", "group", "devices")
"""What the message of a rule across a group can show besides; a count has no value beside it."""


class Part(StrEnum):
    """What is judged on a device for a rule across a group (`muster`): of a condition whether"""

    TRUE = "true"  # it is surely true
    FALSE = "false"
    CAME = "came"  # all it reads was sent
    VALUE = "value"  # of a number, whether it is another than it was


class RuleError(ValueError):
    """One thing wrong with a rule. `field` is the key, `column` the place in its text, from 1.

    `message` is for a person who sees the key beside it; `str()` names the key too.
    """

    def __init__(self, field: str, message: str, column: int | None = None) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A valid rule with all that the engine needs of it parsed.

    `clear` is None where the rule clears as soon as `when` is false. `metrics` are the ones that
    `when` and `clear` read: a row without any of them cannot turn the rule. `shown` are these
    and the ones in the message, in the order in which an alert takes its `values`. `windows` are
    (metric, size in seconds), `sessions` (metric, gap in seconds). `clocked` are the metrics whose
    age is read: with one of those the rule may turn without a reading. `hourly`: it may when the
    hour turns. `tagged`: it reads tags of the device. `counting`: it is about groups of devices;
    `part`: it is what the judge asks of a device for such a one. `zones` are those it names;
    `positioned`: it reads the position.
    """

    rule: Rule
    when: Expression
    clear: Expression | None
    on_delay_s: float
    off_delay_s: float
    devices: Selector
    message: Template
    metrics: tuple[str, ...]
    shown: tuple[str, ...]
    windows: frozenset[tuple[str, float]]
    sessions: frozenset[tuple[str, float]]
    clocked: frozenset[str]
    hourly: bool
    zones: frozenset[str]
    positioned: bool
    tagged: bool
    counting: bool = False
    part: Part | None = None


def validate(
    rule: Rule,
    *,
    known_metrics: Collection[str] | None = None,
    known_zones: Collection[str] | None = None,
    stated: Stated | None = None,
) -> CheckedRule:
    """The rule, checked; with `known_metrics`, metrics outside of them are errors, and so are zones
    with `known_zones`, and limits and fields that no profile has `stated`.

    Raises RuleError for the first thing wrong; `find_errors` gives all of them.
    """
    examination = _Examination(known_metrics, known_zones, stated)
    checked = examination.of(rule)
    if checked is None:
        raise examination.errors[0]
    return checked


def find_errors(rule: Rule, *, known_metrics: Collection[str] | None = None) -> list[RuleError]:
    """Everything wrong with `rule`."""
    examination = _Examination(known_metrics)
    examination.of(rule)
    return examination.errors


@dataclass(slots=True)
class _Examination:
    """Owns the errors found so far."""

    known: Collection[str] | None
    known_zones: Collection[str] | None = None
    stated: Stated | None = None
    errors: list[RuleError] = field(default_factory=list[RuleError])

    def of(self, rule: Rule) -> CheckedRule | None:
        self._try("name", lambda: _check_name(rule.name))
        devices = self._try("devices", lambda: Selector.of(rule.devices, rule.tags))
        self._try("tags", lambda: check_tags(rule.tags))
        when = self._try("when", lambda: self._condition("when", rule.when))
        clear = None
        if rule.clear is not None:
            text = rule.clear
            clear = self._try("clear", lambda: self._condition("clear", text))
        on_delay_s = self._try("on_delay", lambda: _delay(rule.on_delay))
        off_delay_s = self._try("off_delay", lambda: _delay(rule.off_delay))
        parts = [part for part in (when, clear) if part]
        counting = any(part[1].counting for part in parts)
        self._try("group_by", lambda: self._group(rule, counting))
        message = self._try("message", lambda: parse_template(rule.message))
        self._try("re_alarm", lambda: _re_alarm(rule.re_alarm))
        self._try("inhibited_by", lambda: _check_inhibitors(rule))
        self._try("actions", lambda: _check_names(rule.actions, "a channel"))
        if (
            self.errors
            or devices is None
            or when is None
            or on_delay_s is None
            or off_delay_s is None
            or message is None
        ):
            return None
        if counting:
            for key, part in (("when", when), ("clear", clear)):
                if part is not None:
                    self._try(key, lambda tree=part[0]: check_counts(tree))
            self._try("message", lambda: _check_group_message(message, when[0]))
            if self.errors:
                return None
        parts = [when[1], clear[1]] if clear else [when[1]]
        metrics = tuple(dict.fromkeys(name for part in parts for name in part.metrics))
        return CheckedRule(
            rule=rule,
            when=when[0],
            clear=clear[0] if clear else None,
            on_delay_s=on_delay_s,
            off_delay_s=off_delay_s,
            devices=devices,
            message=message,
            metrics=metrics,
            shown=() if counting else tuple(dict.fromkeys((*metrics, *message.metrics))),
            windows=frozenset[tuple[str, float]]().union(*(part.windows for part in parts)),
            sessions=frozenset[tuple[str, float]]().union(*(part.sessions for part in parts)),
            clocked=frozenset[str]().union(*(part.clocked for part in parts)),
            hourly=any(part.hourly for part in parts),
            zones=frozenset[str]().union(*(part.zones for part in parts)),
            positioned=any(part.positioned for part in parts),
            tagged=any(part.tagged for part in parts),
            counting=counting,
        )

    def _group(self, rule: Rule, counting: bool) -> None:
        if not rule.group_by:
            return
        field = rule.group_by.removeprefix(FIELD_PLACE)
        check_tag_name(field)
        if field != rule.group_by and self.stated and (why := self.stated.why_no_field(field)):
            raise ValueError(f"no profile has a field {field!r}{why}")
        if not counting:
            raise ValueError(
                f"{rule.group_by!r} groups devices, and 'when' counts none; expected what a group"
                " comes to there, as in count_devices(temp_c > 80) >= 3 or avg_devices(temp_c) > 70"
            )

    def _try(self, key: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except (ExpressionError, TemplateError) as error:
            self.errors.append(RuleError(key, error.message, error.column))
        except ValueError as error:
            self.errors.append(RuleError(key, str(error)))
        return None

    def _condition(self, key: str, text: str) -> tuple[Expression, Checked]:
        tree = parse(text)
        checked = check(
            tree,
            known_metrics=self.known,
            known_zones=self.known_zones,
            stated=self.stated,
        )
        require_condition(tree, checked.kind, f"'{key}'")
        if not checked.metrics:
            raise ValueError(
                f"{text[:64]!r} reads no metric, so no reading could turn it;"
                " expected one, as in temp_c > 80"
            )
        return without_absent(tree), checked


def _check_group_message(message: Template, when: Expression) -> None:
    fits = {*GROUP_PLACES, *ABOUT} - {"device"}
    of_first = next(calls_across(when), None)
    if of_first is None or of_first.function == "count_devices":
        fits.remove("value")
    places = (piece.name for piece in message.pieces if isinstance(piece, Place))
    wrong = next((name for name in places if name not in fits), None)
    if wrong is not None:
        raise ValueError(
            f"{wrong[:64]!r} is of a single device; a rule across a group can show"
            f" {', '.join(f'{{{each}}}' for each in GROUP_PLACES if each in fits)}"
        )


def _check_name(name: str) -> None:
    wrong = next((c for c in name if c in "/+#" or not c.isprintable()), None)
    if wrong is not None:
        raise ValueError(f"{name[:64]!r} has {wrong!r}; expected no '/', '+', '#' or control codes")
    if not name.strip(" .") or name != name.strip() or len(name) > MAX_NAME:
        raise ValueError(
            f"{name[:64]!r} is no name; expected 1 to {MAX_NAME} characters,"
            " no spaces at the ends, as in 'boiler-overheat'"
        )

    if name.startswith(RESERVED):
        raise ValueError(f"{name[:64]!r} begins with {RESERVED!r}, as only Tocsin's own alarms do")


def _check_names(names: tuple[str, ...], what: str) -> None:
    if len(names) > MAX_NAMES:
        raise ValueError(f"has {len(names)} names; expected at most {MAX_NAMES}")
    for name in names:
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise ValueError(f"{name[:64]!r} is no name; expected that of {what}")
        if names.count(name) > 1:
            raise ValueError(f"{name[:64]!r} is named twice; expected each name once")


def _check_inhibitors(rule: Rule) -> None:
    _check_names(rule.inhibited_by, "a rule")
    if rule.name in rule.inhibited_by:
        raise ValueError(f"{rule.name[:64]!r} is this rule; expected the name of another one")


def _re_alarm(text: str) -> None:
    after_s = _delay(text)
    if 0 < after_s < MIN_RE_ALARM_S:
        raise ValueError(f"{text[:32]!r} is too short; expected 0s for never, or 10s to 7d")


def _delay(text: str) -> float:
    delay_s = parse_duration(text)
    if delay_s > MAX_DELAY_S:
        raise ValueError(f"{text[:32]!r} is too long; expected 0s to 7d")
    return delay_s
