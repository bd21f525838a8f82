"""Rules across a group: how many of its devices are in a condition.

`count_devices(temp_c > 80) >= 3` asks of each device whether `temp_c > 80` is true, false, or
unknown, and counts. A device that has not sent what the condition reads is none of the group's
members, unless the condition is known all the same. So a count lies between the devices for
which it is true, and these with those for which it is unknown; a comparison is true or false if it
is so for all numbers between them, and else unknown:

    true 2, unknown 0      count_devices(…) >= 3 is false
    true 2, unknown 1      unknown: neither rings nor clears
    true 3, unknown 9      true

The judge judges three *parts* of a condition on each device, as it does rules: whether it is surely
true, whether it is surely false, and whether the device has sent its metrics.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from itertools import islice, pairwise
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import structs

from tocsin.devices.formats.row import Value
from tocsin.ingest.alerts.alert import Evidence
from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Number,
    Truth,
    Unary,
)
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.silence import without_absent
from tocsin.ingest.rules.spans import ENDS, Span
from tocsin.ingest.rules.validation import CheckedRule, Part

ALL = "all"
"""The group of a rule without `group_by`: every device that it is for."""

MAX_NAMED = 100
"""Devices that the evidence of an alert names."""

_MAX_TOLD = 10  # in a message

_BIT = {Part.TRUE: 1, Part.FALSE: 2, Part.CAME: 4}
# By the bits of a device: whether it is true, false or unknown; None: no member.
_STANDING = (None, 0, 1, 0, 2, 0, 1, 0)


class Standing(IntEnum):
    TRUE = 0
    FALSE = 1
    UNKNOWN = 2


def rule_of(name: str) -> str:
    """The rule that a part of this name is of; a rule's own name stays as it is."""
    return name.partition("\0")[0]


class Member(NamedTuple):
    """What a turn of a part is about: the condition's place in its rule, and the part's bit."""

    muster: "Muster"
    condition: int
    bit: int


class GroupTurn(NamedTuple):
    """A rule turned for a group. `values` are what its message can show."""

    rule: Rule
    truth: bool
    values: dict[str, Value]
    evidence: Evidence


class Muster:
    """Owns how the devices of a rule's groups stand, and for which groups the rule holds.

    State by condition and device: the parts that hold. By group: how many devices are true, false
    and unknown, for each condition.
    """

    def __init__(self, checked: CheckedRule, order: int) -> None:
        self.checked = checked
        self.order = order
        self._calls = list(dict.fromkeys(counts_of(checked)))
        self._bits = [Growing[np.int8](np.int8, 0) for _ in self._calls]
        self._group_of: list[str | None] = []
        self._tallies: dict[str, list[list[int]]] = {}
        self.holds: set[str] = set()

    def parts(self) -> Iterator[tuple[CheckedRule, Member]]:
        """What has to be judged on each device, as rules of a form of their own."""
        for number, call in enumerate(self._calls):
            inner = inside(self.checked, call)
            for part, bit in _BIT.items():
                name = f"{inner.rule.name}\0{number}\0{part}"
                asked = replace(inner, rule=structs.replace(inner.rule, name=name), part=part)
                if part is Part.CAME:  # by readings alone
                    asked = replace(asked, clocked=frozenset(), hourly=False)
                yield asked, Member(self, number, bit)

    # -- devices

    def reach(self, devices: int, tags_of: "TagsOf") -> None:
        """Know the groups of the devices up to this number of them."""
        for bits in self._bits:
            bits.reach(devices)
        for device in range(len(self._group_of), devices):
            self._group_of.append(self._named(tags_of(device)))

    def _named(self, tags: Mapping[str, str]) -> str | None:
        by = self.checked.rule.group_by
        return tags.get(by) if by else ALL

    def move(self, device: int, tags: Mapping[str, str]) -> Iterable[str]:
        """A device has these tags now: the groups that it leaves and joins."""
        before, after = self._group_of[device], self._named(tags)
        if before == after:
            return ()
        self._count(device, -1)
        self._group_of[device] = after
        self._count(device, 1)
        return [each for each in (before, after) if each is not None]

    def turn(self, member: Member, device: int, holds: bool) -> str | None:
        """A part came to hold for a device, or ceased to: the group that this changes."""
        self._count(device, -1)
        bits, bit = self._bits[member.condition].values, member.bit
        bits[device] = bits[device] | bit if holds else bits[device] & ~bit
        self._count(device, 1)
        return self._group_of[device]

    def _count(self, device: int, by: int) -> None:
        group = self._group_of[device]
        if group is None:
            return
        tallies = self._tallies.get(group)
        if tallies is None:
            tallies = self._tallies[group] = [[0, 0, 0] for _ in self._calls]
        for bits, tally in zip(self._bits, tallies, strict=True):
            standing = _STANDING[bits.values.item(device)]
            if standing is not None:
                tally[standing] += by

    # -- groups

    def judge(self, group: str, names: Sequence[str]) -> GroupTurn | None:
        """Whether the rule turns for a group; `names` are those of the devices. It holds for no
        group that has no members."""
        checked, tallies = self.checked, self._tallies.get(group)
        if tallies is None:
            return None
        truth = group not in self.holds
        if not any(map(any, tallies)):
            del self._tallies[group]
            turns = not truth
        else:
            counts = {
                call: Span(true, true + unknown)
                for call, (true, _, unknown) in zip(self._calls, tallies, strict=True)
            }
            true = truth_of(checked.when, counts)
            if truth:
                turns = true is True
            elif checked.clear is None:
                turns = true is False
            else:
                turns = true is not True and truth_of(checked.clear, counts) is True
        if not turns:
            return None
        (self.holds.add if truth else self.holds.discard)(group)
        return self._told(group, truth, tallies, names)

    def _told(
        self, group: str, truth: bool, tallies: Sequence[Sequence[int]], names: Sequence[str]
    ) -> GroupTurn:
        counts = {
            print_expression(call): float(tally[Standing.TRUE])
            for call, tally in zip(self._calls, tallies, strict=True)
        }
        counted = tuple(names[device] for device in self._counted(group))
        count = tallies[0][Standing.TRUE]
        told = ", ".join(counted[:_MAX_TOLD])
        if count > _MAX_TOLD:
            told += f" and {count - _MAX_TOLD} more"
        values: dict[str, Value] = {"count": float(count), "group": group, "devices": told}
        return GroupTurn(self.checked.rule, truth, values, Evidence({}, counts, counted))

    def _counted(self, group: str) -> list[int]:
        """The devices of a group for which the rule's first condition is true, MAX_NAMED at
        most."""
        some = np.flatnonzero(self._bits[0].values[: len(self._group_of)] & _BIT[Part.TRUE])
        mine = (device for device in some.tolist() if self._group_of[device] == group)
        return list(islice(mine, MAX_NAMED))


class TagsOf(Protocol):
    def __call__(self, device: int) -> Mapping[str, str]: ...


def inside(checked: CheckedRule, call: Call) -> CheckedRule:
    """What a rule across groups asks of a device: the condition in one of its counts."""
    found = check(call.arguments[0])
    return replace(
        checked,
        when=without_absent(call.arguments[0]),
        clear=None,
        metrics=found.metrics,
        shown=(),
        windows=found.windows,
        clocked=found.clocked,
        hourly=found.hourly,
        zones=found.zones,
        positioned=found.positioned,
        tagged=found.tagged,
        counting=False,
    )


def counts_of(checked: CheckedRule) -> Iterator[Call]:
    """The calls of `count_devices` in a rule, in order."""
    for tree in (checked.when, checked.clear):
        if tree is not None:
            yield from _counts_in(tree)


def _counts_in(tree: Expression) -> Iterator[Call]:
    match tree:
        case Call("count_devices"):
            yield tree
        case Unary(_, operand):
            yield from _counts_in(operand)
        case Arithmetic(_, left, right):
            yield from _counts_in(left)
            yield from _counts_in(right)
        case Comparison(operands) | Logical(_, operands):
            for operand in operands:
                yield from _counts_in(operand)
        case _:
            pass


def truth_of(tree: Expression, counts: Mapping[Call, Span]) -> bool | None:
    """Whether a condition over counts is true for all counts within their spans, false for all of
    them, or neither."""
    match tree:
        case Truth(value):
            return value
        case Unary("not", operand):
            inner = truth_of(operand, counts)
            return None if inner is None else not inner
        case Logical(operator, operands):
            truths = [truth_of(operand, counts) for operand in operands]
            decisive = operator == "or"
            if decisive in truths:
                return decisive
            return None if None in truths else not decisive
        case Comparison(operands, operators):
            spans = [_span_of(operand, counts) for operand in operands]
            links = [
                _link(operator, left, right)
                for operator, (left, right) in zip(operators, pairwise(spans), strict=True)
            ]
            if False in links:
                return False
            return None if None in links else True
        case _:
            raise TypeError(f"{tree} is no condition of counts; the checker lets none pass")


def _span_of(tree: Expression, counts: Mapping[Call, Span]) -> Span | None:
    match tree:
        case Number(value):
            return Span(value, value)
        case Call("count_devices"):
            return counts[tree]
        case Unary("-", operand):
            inner = _span_of(operand, counts)
            return inner and Span(-inner.high, -inner.low)
        case Arithmetic(operator, left, right):
            one, other = _span_of(left, counts), _span_of(right, counts)
            return ENDS[operator](one, other) if one and other else None
        case _:
            raise TypeError(f"{tree} is no number of counts; the checker lets none pass")


def _link(operator: str, left: Span | None, right: Span | None) -> bool | None:
    if left is None or right is None:
        return None
    match operator:
        case "<":
            return _below(left, right)
        case "<=":
            return _not(_below(right, left))
        case ">":
            return _below(right, left)
        case ">=":
            return _not(_below(left, right))
        case _:
            equal = None
            if left.high < right.low or left.low > right.high:
                equal = False
            elif left.low == left.high == right.low == right.high:
                equal = True
            return equal if operator == "==" else _not(equal)


def _below(left: Span, right: Span) -> bool | None:
    if left.high < right.low:
        return True
    return False if left.low >= right.high else None


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth
