"""Rules across a group: how many of its devices are in a condition.

`count_devices(temp_c > 80) >= 3` asks of each device whether `temp_c > 80` is true, false, or
unknown, and counts. A device that has not sent what the condition reads is none of the group's
members, unless the condition is known all the same. So a count lies between the devices for
which it is true, and these with those for which it is unknown; a comparison is true or false if it
is so for all numbers between them, and else unknown:

    true 2, unknown 0      count_devices(…) >= 3 is false
    true 2, unknown 1      unknown: neither rings nor clears
    true 3, unknown 9      true

`avg_devices(avg(temp_c, '5m')) > 70` asks each for a number, and takes their mean (`crowd`); a
device is a member as above.

What such a rule asks of a device is judged by the judge as rules are, in *parts*: of a condition
whether it is surely true, whether it is surely false, and whether the device has sent its metrics;
of a number, whether it is another than it was.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import isnan, nan
from typing import Any, NamedTuple, Protocol

from msgspec import structs

from tocsin.devices.formats.row import Value
from tocsin.ingest.alerts.alert import NO_EVIDENCE, Evidence
from tocsin.ingest.rules.across import calls_across, truth_of
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.expression import Call
from tocsin.ingest.rules.polls import Poll, poll_of
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.silence import without_absent
from tocsin.ingest.rules.validation import CheckedRule, Part

ALL = "all"
"""The group of a rule without `group_by`: every device that it is for."""

MAX_NAMED = 100
"""Devices that the evidence of an alert names."""

_MAX_TOLD = 10  # in a message


def rule_of(name: str) -> str:
    """The rule that a part of this name is of; a rule's own name stays as it is."""
    return name.partition("\0")[0]


class Member(NamedTuple):
    """What a turn of a part is about: a poll's place in its rule, and the part."""

    muster: "Muster"
    poll: int
    part: Part


class GroupTurn(NamedTuple):
    """A rule turned for a group. `values` are what its message can show."""

    rule: Rule
    truth: bool
    values: dict[str, Value]
    evidence: Evidence


class Muster:
    """Owns how the devices of a rule's groups answer, and for which groups the rule holds.

    State: what each device answered, by poll; and by group the tallies of its devices, one for each
    poll.
    """

    def __init__(self, checked: CheckedRule, order: int) -> None:
        self.checked = checked
        self.order = order
        self._polls: list[Poll[Any]] = [poll_of(call) for call in dict.fromkeys(calls_of(checked))]
        self._group_of: list[str | None] = []
        self._tallies: dict[str, list[Any]] = {}
        self.holds: set[str] = set()

    def parts(self) -> Iterator[tuple[CheckedRule, Member]]:
        """What has to be judged on each device, as rules of a form of their own."""
        for number, poll in enumerate(self._polls):
            inner = inside(self.checked, poll.call)
            for part in poll.parts:
                name = f"{inner.rule.name}\0{number}\0{part}"
                asked = replace(inner, rule=structs.replace(inner.rule, name=name), part=part)
                if part is Part.CAME:  # by readings alone
                    asked = replace(asked, clocked=frozenset(), hourly=False)
                yield asked, Member(self, number, part)

    # -- devices

    def reach(self, devices: int, group_of: "GroupOf") -> None:
        """Know the groups of the devices up to this number of them."""
        for poll in self._polls:
            poll.reach(devices)
        for device in range(len(self._group_of), devices):
            self._group_of.append(self._named(device, group_of))

    def _named(self, device: int, group_of: "GroupOf") -> str | None:
        by = self.checked.rule.group_by
        return group_of(device, by) if by else ALL

    def move(self, device: int, group_of: "GroupOf") -> Iterable[str]:
        """A device has other tags, or another profile, now: the groups that it leaves and joins."""
        before, after = self._group_of[device], self._named(device, group_of)
        if before == after:
            return ()
        if before is not None:
            for poll, tally in zip(self._polls, self._tallies_of(before), strict=True):
                poll.remove(tally, device)
        if after is not None:
            for poll, tally in zip(self._polls, self._tallies_of(after), strict=True):
                poll.add(tally, device)
        self._group_of[device] = after
        return [each for each in (before, after) if each is not None]

    def turn(self, member: Member, device: int, holds: bool, value: float = nan) -> str | None:
        """A part came to hold for a device, or ceased to, or has another `value`: the group that
        this changes."""
        poll, group = self._polls[member.poll], self._group_of[device]
        if group is None:
            poll.answer(device, member.part, holds, value)
            return None
        tally = self._tallies_of(group)[member.poll]
        poll.remove(tally, device)
        poll.answer(device, member.part, holds, value)
        poll.add(tally, device)
        return group

    def _tallies_of(self, group: str) -> list[Any]:
        tallies = self._tallies.get(group)
        if tallies is None:
            tallies = self._tallies[group] = [poll.tally() for poll in self._polls]
        return tallies

    # -- groups

    def judge(self, group: str, names: Sequence[str]) -> GroupTurn | None:
        """Whether the rule turns for a group; `names` are those of the devices. It holds for no
        group that has no members."""
        checked, tallies = self.checked, self._tallies.get(group)
        if tallies is None:
            return None
        truth = group not in self.holds
        polled = list(zip(self._polls, tallies, strict=True))
        if not any(poll.members(tally) for poll, tally in polled):
            del self._tallies[group]
            turns = not truth
        else:
            spans = {poll.call: poll.span(tally) for poll, tally in polled}
            true = truth_of(checked.when, spans.__getitem__)
            if truth:
                turns = true is True
            elif checked.clear is None:
                turns = true is False
            else:
                turns = true is not True and truth_of(checked.clear, spans.__getitem__) is True
        if not turns:
            return None
        (self.holds.add if truth else self.holds.discard)(group)
        return self._told(group, truth, polled, names)

    def _told(
        self, group: str, truth: bool, polled: Sequence[tuple[Poll[Any], Any]], names: Sequence[str]
    ) -> GroupTurn:
        poll, tally = polled[0]
        evidence = self._seen(group, polled, names)
        told = ", ".join(evidence.devices[:_MAX_TOLD])
        count = poll.counted(tally)
        if count > _MAX_TOLD:
            told += f" and {count - _MAX_TOLD} more"
        values: dict[str, Value] = {"count": float(count), "group": group, "devices": told}
        if Part.VALUE in poll.parts:
            values = {"value": poll.seen(tally)} | values
        return GroupTurn(self.checked.rule, truth, values, evidence)

    def _seen(
        self, group: str, polled: Sequence[tuple[Poll[Any], Any]], names: Sequence[str]
    ) -> Evidence:
        seen = {print_expression(poll.call): poll.seen(tally) for poll, tally in polled}
        known = {text: value for text, value in seen.items() if not isnan(value)}
        mine = (device for device, each in enumerate(self._group_of) if each == group)
        speaking = islice(polled[0][0].speaking(mine), MAX_NAMED)
        return Evidence({}, known, tuple(names[each] for each in speaking))

    def evidence(self, group: str, names: Sequence[str]) -> Evidence:
        """What the rule sees of a group; `names` are those of the devices."""
        tallies = self._tallies.get(group)
        if tallies is None:
            return NO_EVIDENCE
        return self._seen(group, list(zip(self._polls, tallies, strict=True)), names)


class GroupOf(Protocol):
    """The group of a device among those that `group_by` makes."""

    def __call__(self, device: int, group_by: str) -> str | None: ...


def inside(checked: CheckedRule, call: Call) -> CheckedRule:
    """What a rule across groups asks of a device: the condition, or number, in one of its calls."""
    found = check(call.arguments[0])
    return replace(
        checked,
        when=without_absent(call.arguments[0]),
        clear=None,
        metrics=found.metrics,
        shown=(),
        windows=found.windows,
        sessions=found.sessions,
        clocked=found.clocked,
        hourly=found.hourly,
        zones=found.zones,
        positioned=found.positioned,
        tagged=found.tagged,
        counting=False,
    )


def calls_of(checked: CheckedRule) -> Iterator[Call]:
    """The calls in a rule that are of all devices of a group, in order."""
    for tree in (checked.when, checked.clear):
        if tree is not None:
            yield from calls_across(tree)
