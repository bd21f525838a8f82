"""The rules across groups that are in force, and what turns of their parts make of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.alerts.alert import Evidence
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.faults import Faults
from tocsin.ingest.rules.muster import Member, Muster
from tocsin.ingest.rules.validation import CheckedRule
from tocsin.ingest.turn import VALUE, Placed, Turn, in_order


@dataclass(frozen=True, slots=True)
class Held:
    """What holds: by names of rules, and of parts of rules, for which `devices`; by names of parts
    that are numbers their `values`, of the same devices; by names of rules across groups, for which
    `groups`."""

    devices: Mapping[str, NDArray[np.intp]]
    values: Mapping[str, NDArray[np.float64]]
    groups: Mapping[str, Collection[str]]


class Musters:
    """Owns a muster for each rule that counts devices, and knows whose the parts are.

    What holds for devices is the judge's; `hold` tells it to the musters, `conclude` each change.
    """

    def __init__(self, catalogue: Catalogue, faults: Faults) -> None:
        self._catalogue = catalogue
        self._faults = faults
        self._musters: list[Muster] = []
        self._members: dict[str, Member] = {}  # by the names of parts

    def __bool__(self) -> bool:
        return bool(self._musters)

    def asked_of_devices(self, checked: CheckedRule, order: int) -> Iterator[CheckedRule]:
        """What is judged on each device: the rule, or the parts of what it counts."""
        if not checked.counting:
            yield checked
            return
        muster = Muster(checked, order)
        self._musters.append(muster)
        for part, member in muster.parts():
            self._members[part.rule.name] = member
            yield part

    def reach(self, devices: int) -> None:
        """Know the groups of the devices up to this number of them."""
        for muster in self._musters:
            muster.reach(devices, self._catalogue.tags.group_of)

    def hold(self, held: Held) -> None:
        """Begin where `state` and the parts that hold for devices were left."""
        for muster in self._musters:
            muster.holds.update(held.groups.get(muster.checked.rule.name, ()))
        for name, member in self._members.items():
            devices = held.devices.get(name)
            if devices is not None:
                values = held.values.get(name, np.full(len(devices), np.nan))
                for device, value in zip(devices.tolist(), values.tolist(), strict=True):
                    member.muster.turn(member, device, True, value)

    def state(self) -> dict[str, list[str]]:
        """For each rule, the groups for which it holds."""
        return {each.checked.rule.name: sorted(each.holds) for each in self._musters}

    def evidence(self, rule: str, group: str) -> Evidence | None:
        """What a rule of this name sees of a group; None where none is in force."""
        for muster in self._musters:
            if muster.checked.rule.name == rule:
                return muster.evidence(group, self._catalogue.devices)
        return None

    def move(self, device: int, lapsed: Iterable[str]) -> list[tuple[Muster, str]]:
        """A device has other tags, and is not asked any more for the parts `lapsed`, which held:
        the groups that this changes, with their rules."""
        group_of = self._catalogue.tags.group_of
        touched = [
            (muster, each) for muster in self._musters for each in muster.move(device, group_of)
        ]
        for name in lapsed:
            if member := self._members.get(name):
                group = member.muster.turn(member, device, False)
                if group is not None:
                    touched.append((member.muster, group))
        return touched

    def conclude(
        self,
        turns: list[Placed],
        touched: Iterable[tuple[Muster, str]] = (),
        time: float = 0.0,
        *,
        at_once: bool = False,
    ) -> list[Turn]:
        """The turns, in order of rows and rules, with those of rules across groups in place of
        those of their parts.

        Groups are judged after each row, or, if all rows happen `at_once`, after the last. Those
        that were `touched` otherwise are judged with the first row, at event time `time`.
        """
        if not self._musters:
            return in_order(turns)
        turns.sort(key=lambda each: (each[1].row, each[0]))
        found: list[Placed] = []
        changed = {(muster.order, group): muster for muster, group in touched}
        row, at = 0, time
        for order, turn in turns:
            if turn.row != row:
                if not at_once:
                    found += self._judge(changed, row, at)
                row = turn.row
            at = turn.time
            member = self._members.get(turn.rule.name)
            if member is None:
                found.append((order, turn))
                continue
            value = turn.values.get(VALUE, nan)
            assert isinstance(value, float)
            group = member.muster.turn(member, turn.device, turn.truth, value)
            if group is not None:
                changed[member.muster.order, group] = member.muster
        found += self._judge(changed, row, at)
        return in_order(found)

    def _judge(
        self, changed: dict[tuple[int, str], Muster], row: int, time: float
    ) -> Iterable[Placed]:
        found: list[Placed] = []
        for order, group in sorted(changed):
            muster = changed[order, group]
            try:
                told = muster.judge(group, self._catalogue.devices)
            except Exception as error:
                rule = muster.checked.rule.name
                self._faults.note(f"a change of group {group!r} for rule {rule!r}", error)
                continue
            if told is not None:
                rule, truth, values, evidence = told
                found.append((order, Turn(row, rule, -1, truth, time, values, evidence, group)))
        changed.clear()
        return found
