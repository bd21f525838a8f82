"""Which rules turn: every row is judged by every rule that reads one of its metrics.

Hot path (benchmarks/engine.py). A batch is cut into rounds in which no device has two rows, so
that each row is judged with what was known just after it: a spike of one sample rings, however
large the batch. A small round is judged device by device, a large one all at once.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.devices.formats.row import Value
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.columns import Judged
from tocsin.ingest.growing import Growing
from tocsin.ingest.order import occurrence
from tocsin.ingest.rules import compiled
from tocsin.ingest.rules.device_glob import DeviceGlob
from tocsin.ingest.rules.group import RuleForm, RuleGroup
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.scalar import Scalar
from tocsin.ingest.rules.validation import CheckedRule
from tocsin.ingest.sight import DeviceSight, PairSight, RoundSight
from tocsin.ingest.windows.shared import SharedWindows

Ids = NDArray[np.int32]
Places = NDArray[np.intp]
Floats = NDArray[np.float64]

_SMALL_ROUND = 4  # rows up to which the scalar form is faster (benchmarks/engine.py)


@dataclass(frozen=True, slots=True)
class Turn:
    """A rule turned for a device: `truth` as AlertBook.signal wants it. `time` is event time."""

    rule: Rule
    device: int
    truth: bool
    time: float
    values: dict[str, Value]


class Judge:
    """Owns the compiled rules, which of them hold for which device, and the windows they read.

    It also keeps the newest reading of each series and the watermark of each device as of the
    row that is judged, so `take` must see every batch, also without rules.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._windows = SharedWindows()
        self._groups: list[RuleGroup] = []
        self._of_metric: dict[int, list[int]] = {}  # metric id → places in _groups
        self._clocked: list[int] = []
        self._globs: dict[str, tuple[DeviceGlob, Growing[np.bool_]]] = {}
        self._matched = 0  # devices that the globs have been asked about
        self._watched = Growing[np.bool_](np.bool_, False)  # by metric: read by some rule
        self._windowed: frozenset[str] = frozenset()  # metrics that some window reads

    # -- rules

    def use(self, rules: Sequence[CheckedRule], anew: Iterable[str] = ()) -> None:
        """Judge by these rules. Where a rule held it goes on to hold, except for those `anew`."""
        held = {name: devices for group in self._groups for name, devices in group.held()}
        self._compile(rules, {n: d for n, d in held.items() if n not in set(anew)})

    def _compile(self, rules: Sequence[CheckedRule], held: dict[str, Places]) -> None:
        catalogue = self._catalogue
        self._windows.use(
            use
            for checked in rules
            for tree in (checked.when, checked.clear)
            if tree
            for use in compiled.functions_of(tree)
        )
        self._windowed = self._windows.metrics()
        scalar = Scalar(catalogue.code_of)
        alike: dict[Hashable, list[RuleForm]] = {}
        for order, checked in enumerate(rules):
            clear = compiled.skeleton(checked.clear) if checked.clear else None
            key = (compiled.skeleton(checked.when), clear)
            alike.setdefault(key, []).append(RuleForm(checked, order, scalar))
        self._groups = [RuleGroup(forms, catalogue.code_of) for forms in alike.values()]
        globs = {checked.devices.text: checked.devices for checked in rules}
        self._globs = {
            text: self._globs.get(text) or (glob, Growing[np.bool_](np.bool_, False))
            for text, glob in globs.items()
        }
        self._matched = 0
        metrics = {name: catalogue.admit_metric(name) for rule in rules for name in rule.metrics}
        self._watched = Growing[np.bool_](np.bool_, False)
        self._of_metric = {}
        for place, group in enumerate(self._groups):
            for name in group.metrics:
                metric = metrics[name]
                self._watched.reach(metric + 1)
                self._watched.values[metric] = True
                self._of_metric.setdefault(metric, []).append(place)
        self._clocked = [place for place, group in enumerate(self._groups) if group.clocked]
        self._reach(len(catalogue.devices))
        for group in self._groups:
            for index, form in enumerate(group.forms):
                devices = held.get(form.checked.rule.name)
                if devices is not None:
                    group.hold(index, devices)

    def _reach(self, devices: int) -> None:
        """Know which rules cover the devices up to this number of them."""
        if devices == self._matched:
            return
        names = self._catalogue.devices
        for glob, matches in self._globs.values():
            matches.reach(devices)
            for device in range(self._matched, devices):
                matches.values[device] = glob.matches(names[device])
        self._matched = devices
        for group in self._groups:
            group.reach(devices, lambda glob: self._globs[glob.text][1].values)

    # -- readings

    def take(self, judged: Judged) -> list[Turn]:
        """Take in the readings of a batch, and say which rules turned, in order of the rows."""
        catalogue = self._catalogue
        self._reach(len(catalogue.devices))
        self._watched.reach(len(catalogue.metrics))
        counts = ~judged.late
        row, series = judged.row[counts], judged.series[counts]
        time, value, current = judged.time[counts], judged.value[counts], judged.current[counts]
        device = judged.device
        if not len(device):
            return []
        watched = self._watched.values[catalogue.metric.values[series]]
        if not watched.any() and not self._clocked:
            np.maximum.at(catalogue.watermark.values, device, judged.row_time)
            catalogue.newest_time.values[series[current]] = time[current]
            catalogue.newest_value.values[series[current]] = value[current]
            return []
        turns: list[tuple[int, int, Turn]] = []
        nth = occurrence(device)
        rounds = int(nth.max()) + 1
        of_reading = nth[row]
        for number in range(rounds):
            if rounds == 1:
                rows, now, local = np.arange(len(device)), slice(None), row
            else:
                rows, now = np.flatnonzero(nth == number), np.flatnonzero(of_reading == number)
                local = np.searchsorted(rows, row[now])
            here = _Rows(rows, device[rows], judged.row_time[rows], turns)
            part = _Part(local, series[now], time[now], value[now], current[now])
            if len(rows) <= _SMALL_ROUND:
                self._small_round(here, part)
            else:
                self._round(here, part)
        turns.sort(key=lambda each: each[:2])
        return [turn for _, _, turn in turns]

    def _round(self, rows: "_Rows", part: "_Part") -> None:
        """Rows of as many devices, all at once."""
        catalogue = self._catalogue
        watermark = catalogue.watermark.values
        watermark[rows.device] = np.maximum(watermark[rows.device], rows.time)
        row, series, current = part.row, part.series, part.current
        catalogue.newest_time.values[series[current]] = part.time[current]
        catalogue.newest_value.values[series[current]] = part.value[current]
        concerned = {place: [row[current]] for place in self._clocked}
        metric = catalogue.metric.values[series]
        watched = np.flatnonzero(self._watched.values[metric])
        present: list[int] = np.unique(metric[watched]).tolist()
        for each in present:
            here = watched[metric[watched] == each]
            name = catalogue.metrics[each]
            if name in self._windowed:
                self._windows.update(name, series[here], part.time[here], part.value[here])
            now = row[here][current[here]]
            if len(now):
                for place in self._of_metric[each]:
                    concerned.setdefault(place, []).append(now)
        of = RoundSight(catalogue, self._windows, rows.device)
        with np.errstate(all="ignore"):  # what overflows is infinite, what makes no sense unknown
            for place, parts in concerned.items():
                some = parts[0] if len(parts) == 1 else np.concatenate(parts)
                if len(parts) > 1 or place in self._clocked:
                    some = np.unique(some)
                self._judge_at_once(self._groups[place], some, of, rows)

    def _judge_at_once(self, group: RuleGroup, row: Places, of: RoundSight, rows: "_Rows") -> None:
        device = rows.device[row]
        number = group.number.values[device]
        pairs_of = np.repeat(np.arange(len(row)), number)
        if not len(pairs_of):
            return
        first = group.start.values[device] - (np.cumsum(number) - number)
        pair = first[pairs_of] + np.arange(len(pairs_of))
        row = row[pairs_of]
        pairs = PairSight(of, row, group.constants, group.rule.values[pair])
        true, false = group.when(pairs)
        holds = group.holds.values[pair]
        clears = group.clear(pairs)[0] & ~true if group.clear and holds.any() else false
        turned = np.flatnonzero(np.where(holds, clears, true))
        for at in turned.tolist():
            form = group.forms[group.rule.values.item(pair[at])]
            self._turn(group, pair.item(at), form, row.item(at), rows)

    def _small_round(self, rows: "_Rows", part: "_Part") -> None:
        """As `_round`, but reading by reading and rule by rule."""
        catalogue = self._catalogue
        watermark = catalogue.watermark.values
        for device, at in zip(rows.device.tolist(), rows.time.tolist(), strict=True):
            if at > watermark.item(device):
                watermark[device] = at
        concerned: dict[int, set[int]] = {}
        for row, series, time, value, current in zip(
            part.row.tolist(),
            part.series.tolist(),
            part.time.tolist(),
            part.value.tolist(),
            part.current.tolist(),
            strict=True,
        ):
            if current:
                catalogue.newest_time.values[series] = time
                catalogue.newest_value.values[series] = value
            metric = catalogue.metric.values.item(series)
            if current and (places := self._of_metric.get(metric)):
                concerned.setdefault(row, set(self._clocked)).update(places)
            elif current and self._clocked:
                concerned.setdefault(row, set(self._clocked))
            name = catalogue.metrics[metric]
            if name in self._windowed:
                self._windows.update_one(name, series, time, value)
        for row, places in concerned.items():
            here = DeviceSight(catalogue, self._windows, rows.device.item(row))
            for place in places:
                self._judge_one(self._groups[place], row, here, rows)

    def _judge_one(self, group: RuleGroup, row: int, here: DeviceSight, rows: "_Rows") -> None:
        device = rows.device.item(row)
        start = group.start.values.item(device)
        for pair in range(start, start + group.number.values.item(device)):
            form = group.forms[group.rule.values.item(pair)]
            true = form.when(here)
            if not group.holds.values.item(pair):
                turned = true is True
            elif form.clear is None:
                turned = true is False
            else:
                turned = true is not True and form.clear(here) is True
            if turned:
                self._turn(group, pair, form, row, rows)

    def _turn(self, group: RuleGroup, pair: int, form: RuleForm, row: int, rows: "_Rows") -> None:
        truth = not group.holds.values[pair]
        group.holds.values[pair] = truth
        device, catalogue = rows.device.item(row), self._catalogue
        known = catalogue.series_of(device)
        values = {
            name: catalogue.newest(known[name])[1]
            for name in form.checked.shown
            if name in known and np.isfinite(catalogue.newest_time.values[known[name]])
        }
        turn = Turn(form.checked.rule, device, truth, rows.time.item(row), values)
        rows.turns.append((int(rows.row[row]), form.order, turn))

    # -- snapshots

    def state(self) -> dict[str, Any]:
        held = {name: devices for group in self._groups for name, devices in group.held()}
        return {"held": held, "windows": self._windows.state()}

    def load(self, state: dict[str, Any], rules: Sequence[CheckedRule]) -> None:
        """Become what `state` was taken from; catalogue and rules come before."""
        self.__init__(self._catalogue)
        self._windows.load(state["windows"])
        self._compile(rules, state["held"])


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one round: place in the batch, device, event time; and all turns so far."""

    row: Places
    device: Ids
    time: Floats
    turns: list[tuple[int, int, Turn]]


@dataclass(frozen=True, slots=True)
class _Part:
    """The readings of one round: `row` is the place among the round's rows."""

    row: Places
    series: Ids
    time: Floats
    value: Floats
    current: NDArray[np.bool_]
