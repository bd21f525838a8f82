"""Rules that ask alike, judged together."""

from collections.abc import Callable, Iterable, Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.calm import Calm, Calms, always
from tocsin.ingest.rules.compiled import CodeOf, calls_of, constants
from tocsin.ingest.rules.deadline import silences
from tocsin.ingest.rules.pair_bounds import PairBounds
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.scalar import Scalar, ScalarCondition, Spot
from tocsin.ingest.rules.selector import Selector
from tocsin.ingest.rules.validation import CheckedRule, Part
from tocsin.ingest.rules.vector import Masks, Pairs, Vector, VectorCondition

Ids = NDArray[np.int32]
Places = NDArray[np.intp]


class RuleForm:
    """A rule in its scalar form. `order` is its place among all rules.

    `unraised` says why it does not come to hold, `held` why it goes on to. `silences` are the
    metrics, and their ages, at which time alone may make it hold.
    """

    __slots__ = (
        "_reads",
        "checked",
        "clear",
        "held",
        "name",
        "order",
        "silences",
        "unraised",
        "when",
    )

    def __init__(self, checked: CheckedRule, order: int, scalar: Scalar) -> None:
        self.checked = checked
        self.order = order
        self.name = checked.rule.name
        self.when = scalar.condition(checked.when)
        if checked.part:
            self.when = _part_of_one(self.when, checked)
        self.clear = scalar.condition(checked.clear) if checked.clear else None
        calms = Calms(scalar)
        # An age grows without any reading of its metric.
        self.unraised = None if checked.clocked else calms.untrue(checked.when)
        self.held = calms.untrue(checked.clear) if checked.clear else calms.unfalse(checked.when)
        self.silences = tuple(silences(checked.when))
        if checked.part:
            self.unraised, self.held = _calms_of_part(calms, checked)
            if checked.part is not Part.TRUE:
                self.silences = ()
        trees = [checked.when, checked.clear] if checked.clear else [checked.when]
        self._reads = {
            print_expression(call): scalar.number(call) for tree in trees for call in calls_of(tree)
        }

    def evidence(self, spot: Spot) -> dict[str, float]:
        """The functions of metrics it reads, as it writes them; unknown ones left out."""
        found = {text: read(spot) for text, read in self._reads.items()}
        return {text: value for text, value in found.items() if value == value}


class RuleGroup:
    """Rules that differ in their constants and devices only.

    `restless` ones have nothing by which to tell that they do not turn.

    State: a table of pairs (rule, device), those of one device beside each other, and whether
    the rule holds there: `start`, `number` and `room` (a device whose tags change may have had more
    pairs) by device, `owner`, `rule` and `holds` by pair, and `bounds`.
    """

    def __init__(self, forms: Sequence[RuleForm], code_of: CodeOf) -> None:
        self.forms = forms
        first = forms[0].checked
        self.metrics = first.metrics
        self.clocked = bool(first.clocked)
        self.hourly = first.hourly
        self.part = first.part
        self.tagged = first.tagged
        self.restless = all(form.unraised is None for form in forms)
        vector = Vector()
        self.when = vector.condition(first.when)
        if first.part:
            self.when = _part_of_many(self.when, first)
        self.clear = vector.condition(first.clear) if first.clear else None
        table = [list(_constants(form.checked, code_of)) for form in forms]
        self.constants = np.array(table, np.float64).T
        self.devices = 0
        self.pairs = 0
        self.start = Growing[np.int32](np.int32, 0)
        self.number = Growing[np.int32](np.int32, 0)
        self.room = Growing[np.int32](np.int32, 0)
        self.owner = Growing[np.int32](np.int32, 0)
        self.rule = Growing[np.int32](np.int32, 0)
        self.holds = Growing[np.bool_](np.bool_, False)
        self.bounds: PairBounds | None = None
        """Where its rules depend on the readings of one metric and on nothing else."""
        if len(first.metrics) == 1 and not (first.clocked or first.hourly or first.tagged):
            self.bounds = PairBounds(*first.metrics)

    def reach(self, devices: int, matching: Callable[[Selector], NDArray[np.bool_]]) -> None:
        """Make pairs for devices up to this number of them."""
        while self.devices < devices:
            begin, end = self.devices, min(devices, self.devices + 4096)
            matches = np.stack([matching(form.checked.devices)[begin:end] for form in self.forms])
            owner, rule = np.nonzero(matches.T)
            number = matches.sum(axis=0)
            self.start.reach(end)
            self.number.reach(end)
            self.room.reach(end)
            self.owner.reach(self.pairs + len(rule))
            self.owner.values[self.pairs : self.pairs + len(rule)] = begin + owner
            self.number.values[begin:end] = number
            self.room.values[begin:end] = number
            self.start.values[begin:end] = self.pairs + np.cumsum(number) - number
            self.rule.reach(self.pairs + len(rule))
            self.holds.reach(self.pairs + len(rule))
            self.rule.values[self.pairs : self.pairs + len(rule)] = rule
            self.pairs += len(rule)
            self.devices = end
            if self.bounds:
                self.bounds.reach(self.pairs)

    def rematch(self, device: int, matches: NDArray[np.bool_]) -> list[RuleForm]:
        """Of these rules, `matches` says which, is a device the pairs from now on; those that held
        and do not match any more."""
        start, number = self.start.values.item(device), self.number.values.item(device)
        before = self.rule.values[start : start + number].tolist()
        wanted: list[int] = np.flatnonzero(matches).tolist()
        if before == wanted:
            return []
        held = {each for at, each in enumerate(before) if self.holds.values.item(start + at)}
        self.holds.values[start : start + number] = False
        if len(wanted) > self.room.values.item(device):
            start = self.pairs
            self.pairs += len(wanted)
            self.rule.reach(self.pairs)
            self.owner.reach(self.pairs)
            self.holds.reach(self.pairs)
            self.start.values[device], self.room.values[device] = start, len(wanted)
            self.owner.values[start : self.pairs] = device
            if self.bounds:
                self.bounds.reach(self.pairs)
        self.number.values[device] = len(wanted)
        for at, each in enumerate(wanted):
            self.rule.values[start + at] = each
            self.holds.values[start + at] = each in held
        self.forget_bounds(device)
        return [self.forms[each] for each in sorted(held.difference(wanted))]

    def forget_bounds(self, device: int) -> None:
        if self.bounds:
            start = self.start.values.item(device)
            self.bounds.forget(slice(start, start + self.number.values.item(device)))

    def holding(self) -> Iterable[tuple[int, int]]:
        """Device and pair wherever a rule of the group holds."""
        pair = np.flatnonzero(self.holds.values[: self.pairs])
        device = self.owner.values[pair]
        return zip(device.tolist(), pair.tolist(), strict=True)

    def held(self) -> Iterable[tuple[str, Places]]:
        """For each rule that holds somewhere, its name and those devices."""
        holding = np.flatnonzero(self.holds.values[: self.pairs])
        device = self.owner.values[holding]
        rule = self.rule.values[holding]
        for index in np.unique(rule).tolist():
            yield (
                self.forms[index].checked.rule.name,
                np.sort(device[rule == index]).astype(np.intp),
            )

    def hold(self, index: int, devices: Places) -> None:
        """Say that a rule of the group holds for devices it covers."""
        for device in devices.tolist():
            start = self.start.values.item(device)
            pairs = slice(start, start + self.number.values.item(device))
            self.holds.values[pairs] |= self.rule.values[pairs] == index


def _part_of_one(inner: ScalarCondition, checked: CheckedRule) -> ScalarCondition:
    match checked.part:
        case Part.TRUE:
            return lambda spot: inner(spot) is True
        case Part.FALSE:
            return lambda spot: inner(spot) is False
        case _:
            return lambda spot: _came(spot, checked.metrics)


def _came(spot: Spot, metrics: Iterable[str]) -> bool:
    """Whether a device has said something of each of them."""
    return not any(isnan(spot.age(name)) for name in metrics)


def _part_of_many(inner: VectorCondition, checked: CheckedRule) -> VectorCondition:
    def part(pairs: Pairs) -> Masks:
        if checked.part is Part.CAME:
            came = np.array([~np.isnan(pairs.age(name)) for name in checked.metrics]).all(axis=0)
            return np.asarray(came), np.asarray(~came)
        true, false = inner(pairs)
        surely = np.asarray(true if checked.part is Part.TRUE else false)
        return surely, ~surely

    return part


def _calms_of_part(calms: Calms, checked: CheckedRule) -> tuple[Calm | None, Calm | None]:
    """What keeps a part from coming to hold, and from ceasing to."""
    if checked.part is Part.CAME:  # the first reading of a series is always looked at
        return lambda spot: None if _came(spot, checked.metrics) else (), always
    if checked.clocked:
        return None, None
    if checked.part is Part.TRUE:
        return calms.untrue(checked.when), calms.kept(checked.when, True)
    return calms.unfalse(checked.when), calms.kept(checked.when, False)


def _constants(checked: CheckedRule, code_of: CodeOf) -> Iterable[float]:
    yield from constants(checked.when, code_of)
    if checked.clear:
        yield from constants(checked.clear, code_of)
