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
from tocsin.ingest.rules.scalar import Scalar, ScalarCondition, ScalarNumber, Spot
from tocsin.ingest.rules.selector import Selector
from tocsin.ingest.rules.validation import CheckedRule, Part
from tocsin.ingest.rules.vector import Floats, Masks, Pairs, Vector, VectorCondition

Ids = NDArray[np.int32]
Places = NDArray[np.intp]


class RuleForm:
    """A rule in its scalar form. `order` is its place among all rules.

    `number` is set where it asks for one, and then it is no condition. `unraised` says why it does
    not come to hold, `held` why it goes on to. `silences` are the metrics, and their ages, at which
    time alone may make it hold.
    """

    __slots__ = (
        "_reads",
        "checked",
        "clear",
        "held",
        "name",
        "number",
        "order",
        "silences",
        "unraised",
        "when",
    )

    def __init__(self, checked: CheckedRule, order: int, scalar: Scalar) -> None:
        self.checked = checked
        self.order = order
        self.name = checked.rule.name
        self.number: ScalarNumber | None = None
        if checked.part is Part.VALUE:
            self.number = scalar.number(checked.when)
            self.when: ScalarCondition = lambda _: None
        else:
            self.when = scalar.condition(checked.when)
            if checked.part:
                self.when = _part_of_one(self.when, checked)
        self.clear = scalar.condition(checked.clear) if checked.clear else None
        if checked.part is Part.VALUE:
            self.unraised, self.held, self.silences = None, None, ()
            self._reads = {}
            return
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
    pairs) by device, `owner`, `rule` and `holds` by pair, and `bounds`. Where rules ask for a
    number, a pair holds once there is one, `value` is the one that was told, and `_seen` the one
    just looked at.
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
        if first.part is Part.VALUE:
            self._number = vector.number(first.when)
            self.when: VectorCondition = _no_condition
        else:
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
        self.value = Growing[np.float64](np.float64, np.nan)
        self._seen = Growing[np.float64](np.float64, np.nan)
        self.bounds: PairBounds | None = None
        """Where its rules depend on the readings of one metric and on nothing else."""
        alone = len(first.metrics) == 1 and first.part is not Part.VALUE
        if alone and not (first.clocked or first.hourly or first.tagged):
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
            self._reach_values(self.pairs + len(rule))
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
        told: dict[int, float] = {}
        if self.part is Part.VALUE:
            told = {each: self.value.values.item(start + at) for at, each in enumerate(before)}
        self.holds.values[start : start + number] = False
        if len(wanted) > self.room.values.item(device):
            start = self.pairs
            self.pairs += len(wanted)
            self.rule.reach(self.pairs)
            self.owner.reach(self.pairs)
            self.holds.reach(self.pairs)
            self._reach_values(self.pairs)
            self.start.values[device], self.room.values[device] = start, len(wanted)
            self.owner.values[start : self.pairs] = device
            if self.bounds:
                self.bounds.reach(self.pairs)
        self.number.values[device] = len(wanted)
        for at, each in enumerate(wanted):
            self.rule.values[start + at] = each
            self.holds.values[start + at] = each in held
            if each in told:
                self.value.values[start + at] = told[each]
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

    def held(self) -> Iterable[tuple[str, Places, Floats | None]]:
        """For each rule that holds somewhere, its name, those devices, and their values."""
        holding = np.flatnonzero(self.holds.values[: self.pairs])
        device = self.owner.values[holding]
        rule = self.rule.values[holding]
        for index in np.unique(rule).tolist():
            mine = np.flatnonzero(rule == index)
            mine = mine[np.argsort(device[mine], kind="stable")]
            told = self.value.values[holding[mine]] if self.part is Part.VALUE else None
            yield self.forms[index].checked.rule.name, device[mine].astype(np.intp), told

    def hold(self, index: int, devices: Places, values: Floats | None = None) -> None:
        """Say that a rule of the group holds for devices it covers, with these values."""
        for at, device in enumerate(devices.tolist()):
            start = self.start.values.item(device)
            pairs = slice(start, start + self.number.values.item(device))
            mine = self.rule.values[pairs] == index
            self.holds.values[pairs] |= mine
            if values is not None:
                self.value.values[pairs][mine] = values.item(at)

    # -- numbers

    def others(self, pairs: Pairs, pair: Places) -> Places:
        """Which of the pairs have another number than was told of them, or the first."""
        seen = np.broadcast_to(self._number(pairs), pair.shape)
        told = self.value.values[pair]
        same = (seen == told) | (np.isnan(seen) & np.isnan(told))
        came = np.array([~np.isnan(pairs.age(name)) for name in self.metrics]).all(axis=0)
        self._seen.values[pair] = seen
        return np.flatnonzero(came & ~(same & self.holds.values[pair]))

    def differs(self, pair: int, form: RuleForm, here: Spot) -> bool:
        """As `others`, of one pair."""
        assert form.number is not None, "asked of numbers only"
        seen, told = form.number(here), self.value.values.item(pair)
        self._seen.values[pair] = seen
        if self.holds.values.item(pair):
            return seen != told and not (isnan(seen) and isnan(told))
        return not any(isnan(here.age(name)) for name in self.metrics)

    def tell(self, pair: int) -> float:
        """The number of a pair that was just looked at; it is told now."""
        seen = self._seen.values.item(pair)
        self.value.values[pair] = seen
        self.holds.values[pair] = True
        return seen

    def _reach_values(self, pairs: int) -> None:
        if self.part is Part.VALUE:
            self.value.reach(pairs)
            self._seen.reach(pairs)


def _no_condition(pairs: Pairs) -> Masks:
    raise TypeError("rules that ask for a number are no conditions; `others` compares them")


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
