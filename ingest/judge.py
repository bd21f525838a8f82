"""Which rules turn: every row is judged by every rule that it might turn.

Hot path (benchmarks/pipeline.py). Most readings turn nothing, and a comparison with the bounds of
their series says so (`watch`); they are taken in at once. The rows of the other devices are cut
into rounds in which no device has two rows, so that each row is judged with what was known just
after it: a spike of one sample rings, however large the batch. A small round is judged device by
device, and so are the first of a large one, to find bounds for them; the others all at once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tocsin.devices.formats.row import Value
from tocsin.ingest.alerts.alert import NO_EVIDENCE, Alert, Evidence
from tocsin.ingest.batch import CalmRows, Judged
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.faults import Faults
from tocsin.ingest.geo.fixes import Fixes
from tocsin.ingest.geo.whereabouts import Whereabouts
from tocsin.ingest.geo.zone_set import ZoneSet
from tocsin.ingest.growing import Growing
from tocsin.ingest.musters import Held
from tocsin.ingest.rules import compiled
from tocsin.ingest.rules.calm import Bounds
from tocsin.ingest.rules.group import RuleForm, RuleGroup
from tocsin.ingest.rules.muster import rule_of
from tocsin.ingest.rules.validation import CheckedRule, Part
from tocsin.ingest.rules_in_force import RulesInForce, Silence
from tocsin.ingest.sight import DeviceSight, PairSight, RoundSight
from tocsin.ingest.turn import VALUE, Placed, Turn
from tocsin.ingest.watch import Watch
from tocsin.ingest.windows.shared import SharedWindows
from tocsin.ingest.witness import SilenceOf, Witness

Ids = NDArray[np.int32]
Places = NDArray[np.intp]
Floats = NDArray[np.float64]

# Where the two forms cost the same (benchmarks/pipeline.py).
_SMALL_ROUND = 8  # rows up to which the scalar form is faster
_CALMED_AT_ONCE = 500  # rules on devices that a large round finds bounds for: about a millisecond
_CALMED_IN_REPLAY = 20_000  # the same where nobody waits
_FEW_PAIRS = 12  # rules of one group on the devices of a round, together, up to which it is
_FEW_RULES = 24  # rules of one group on one device up to which it is


Found: TypeAlias = dict[RuleForm, Sequence[Bounds]]
"""Of one device, within which bounds rules stay as they are."""


class Judge:
    """Owns the rules in force, the windows they read, and the bounds within which nothing turns.

    It also keeps the newest reading of each series and the watermark of each device as of the
    row that is judged, so `take` must see every batch, also without rules.
    """

    def __init__(
        self, catalogue: Catalogue, faults: Faults | None = None, zones: ZoneSet | None = None
    ) -> None:
        self._catalogue = catalogue
        self._faults = faults or Faults()
        self._windows = SharedWindows(catalogue.admit_metric, catalogue)
        self.fixes = Fixes(catalogue)
        self._zones = zones or ZoneSet()
        self._whereabouts = Whereabouts(catalogue, self.fixes, self._zones)
        self.unmet: NDArray[np.bool_] | None = None
        """By device, in a replay, whose catalogue has all devices from the start: whether nothing
        was known of it yet."""
        self._watch = Watch()
        self._rules = RulesInForce(catalogue, self._faults)
        self._witness = Witness(
            catalogue, self._windows, self._whereabouts, self._rules, self._faults
        )
        self._mark = Growing[np.bool_](np.bool_, False)  # by device, all false between batches
        self._series = 0  # that the arrays have room for
        self.replays = False
        """Whether nobody waits for what is judged."""
        self.ended: list[int] = []
        """Devices for which a rule, or what one counts, ceased to hold by what was taken last."""

    # -- rules

    def use(self, rules: Sequence[CheckedRule], anew: Iterable[str] = ()) -> None:
        """Judge by these rules. Where a rule held it goes on to hold, except for those `anew`."""
        anew = set(anew)
        self._use(rules, self._rules.held(anew))

    def _use(self, rules: Sequence[CheckedRule], held: Held) -> None:
        uses = [
            use
            for checked in rules
            for tree in (checked.when, checked.clear)
            if tree
            for use in compiled.functions_of(tree)
        ]
        self._windows.use(uses)
        for use in uses:
            if isinstance(use.state, str):
                self._catalogue.code_of(use.state)
        self._rules.use(rules, held)
        self._watch.forget()
        self._series = 0

    def _reach_all(self) -> None:
        """Have room for every device and series."""
        catalogue = self._catalogue
        self._rules.reach(len(catalogue.devices))
        if self._series != catalogue.series_count:
            self._series = catalogue.series_count
            self._rules.reach_metrics(len(catalogue.metrics))
            self._watch.reach(self._series)
            self._windows.reach(len(catalogue.metrics), self._series)

    def mistrust(self) -> None:
        """After a fault: every reading matters until it was looked at."""
        self._watch.forget()
        for group in self._rules.groups:
            if group.bounds:
                group.bounds.forget(slice(None))
        self._mark = Growing[np.bool_](np.bool_, False)

    # -- readings

    @property
    def ready(self) -> bool:
        """Whether it has seen every series there is; `take` does."""
        return self._series == self._catalogue.series_count

    def turns_nothing(self, series: Ids, time: Floats, value: Floats) -> NDArray[np.bool_]:
        """Which readings no rule is concerned with, if they are the newest of their series.

        That stays so until a reading that is not one of them is taken.
        """
        if not self._rules.groups:
            return np.ones(len(series), np.bool_)
        if self._rules.clocked:
            return np.zeros(len(series), np.bool_)
        calm = self._watch.within(series, time, value)
        if self._rules.restless_of:
            calm &= ~self._rules.restless.values[self._catalogue.metric.values[series]]
        return calm

    def take_calm(self, calm: CalmRows) -> None:
        """Take in rows whose readings turn nothing."""
        time = calm.judged_time
        np.maximum.at(self._catalogue.watermark.values, calm.device, time)
        time = time.take(calm.row)
        self._take_newest(calm.series, time, calm.value)
        self.fixes.take(calm.row, calm.series, time, calm.value)

    def take(self, judged: Judged) -> list[Turn]:
        """Take in the readings of a batch, and say which rules turned, in order of the rows."""
        catalogue = self._catalogue
        self.ended = []
        self._reach_all()
        if np.count_nonzero(judged.late):
            judged = judged.without(judged.late)
        if not self._rules.groups or not len(judged.series):
            self._pass(judged)
            return []
        calm = self._watch.within(judged.series, judged.time, judged.value)
        calm &= judged.current
        matters = ~calm
        if self._rules.clocked:
            matters |= judged.current
        elif self._rules.restless_of:
            matters |= self._rules.restless.values[catalogue.metric.values[judged.series]]
        if not np.count_nonzero(matters):
            self._pass(judged)
            return []
        row = np.zeros(len(judged.device), np.bool_)
        row[judged.row[matters]] = True
        if np.count_nonzero(judged.nth):
            self._mark.reach(len(catalogue.devices))
            devices = judged.device[row]
            self._mark.values[devices] = True
            row = self._mark.values[judged.device]
            self._mark.values[devices] = False
        if row.all():
            return self._look_at(judged, np.arange(len(row)), np.arange(len(judged.row)))
        reading = row[judged.row]
        self._pass(judged.only(np.flatnonzero(~row), np.flatnonzero(~reading)))
        return self._look_at(judged, np.flatnonzero(row), np.flatnonzero(reading))

    def _pass(self, judged: Judged) -> None:
        """Readings that turn nothing."""
        catalogue, series, current = self._catalogue, judged.series, judged.current
        np.maximum.at(catalogue.watermark.values, judged.device, judged.row_time)
        if np.count_nonzero(current) == len(current):
            self._take_newest(series, judged.time, judged.value)
            self.fixes.take(judged.row, series, judged.time, judged.value)
        else:
            self._into_windows(series, judged.time, judged.value)
            catalogue.newest_time.values[series[current]] = judged.time[current]
            catalogue.newest_value.values[series[current]] = judged.value[current]
            self.fixes.take(
                judged.row[current], series[current], judged.time[current], judged.value[current]
            )

    def _take_newest(self, series: Ids, time: Floats, value: Floats) -> None:
        """Readings each of which is the newest of its series."""
        self._into_windows(series, time, value)
        self._catalogue.newest_time.values[series] = time
        self._catalogue.newest_value.values[series] = value

    def _into_windows(self, series: Ids, time: Floats, value: Floats) -> None:
        if self._rules.groups:
            metric = self._catalogue.metric.values.take(series)
            self._windows.update(series, metric, time, value)

    @np.errstate(all="ignore")  # what overflows is infinite, what makes no sense unknown
    def _look_at(self, judged: Judged, rows: Places, readings: Places) -> list[Turn]:
        """All rows of devices with a reading that matters."""
        turns: list[Placed] = []
        nth = judged.nth[rows]
        sizes = np.bincount(nth)  # never growing: round n has the devices with n rows more
        large = int((sizes > _SMALL_ROUND).sum())
        of_reading = judged.nth[judged.row[readings]]
        for number in range(large):
            these, those = rows[nth == number], readings[of_reading == number]
            row = np.searchsorted(these, judged.row[those])
            self._round(_Round(these, row, judged.only(these, those)), turns)
        self._one_by_one(judged, rows[nth >= large], readings[of_reading >= large], turns)
        self.ended = [turn.device for _, turn in turns if not turn.truth]
        return self._rules.musters.conclude(turns)

    def _round(self, of: "_Round", turns: list[Placed]) -> None:
        """Rows of as many devices, all at once."""
        catalogue, judged = self._catalogue, of.judged
        row, series, current = of.row, judged.series, judged.current
        matters = ~(self._watch.within(series, judged.time, judged.value) & current)
        self._pass(judged)
        metric = catalogue.metric.values[series]
        watched = self._rules.watched.values[metric]
        self._watch.release(series[~watched])
        sight = RoundSight(catalogue, self._windows, self._whereabouts, judged.device)
        alone = self._judge_first(of, np.flatnonzero(matters & watched), sight, turns)
        others = ~alone[row]
        concerned = {place: [row[current & others]] for place in self._rules.clocked}
        watched = np.flatnonzero(watched & others)
        present: list[int] = np.unique(metric[watched]).tolist()
        for each in present:
            here = watched[metric[watched] == each]
            restless = row[here[current[here]]]
            here = here[matters[here]]
            for place in self._rules.of_metric[each]:
                group = self._rules.groups[place]
                if len(here):
                    for name in group.metrics:
                        owned = catalogue.by_device(name).values[judged.device[row[here]]]
                        self._watch.alert(owned)
                    for device in judged.device[row[here[~current[here]]]].tolist():
                        group.forget_bounds(device)
                now = restless if group.restless else row[here[current[here]]]
                if len(now):
                    concerned.setdefault(place, []).append(now)
        for place, parts in concerned.items():
            some = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if len(parts) > 1 or place in self._rules.clocked:
                some = np.unique(some)
            group = self._rules.groups[place]
            for at, pair in self._judge_some(group, some, sight):
                time, row_of = judged.row_time.item(at), of.rows.item(at)
                turns.append(self._turn(group, pair, judged.device.item(at), time, row_of))

    def _judge_first(
        self, of: "_Round", matters: Places, sight: RoundSight, turns: list[Placed]
    ) -> NDArray[np.bool_]:
        """Judge the first rows of a round with readings that matter one by one, and find bounds for
        what they read, as long as there is time for that: which rows.

        Without bounds a series is looked at again and again; so the others have their turn with
        the next batches.
        """
        judged, metrics = of.judged, self._catalogue.metric.values
        alone = np.zeros(len(judged.device), np.bool_)
        room = _CALMED_IN_REPLAY if self.replays else _CALMED_AT_ONCE
        for at in np.unique(of.row[matters]).tolist():
            if room <= 0:
                break
            alone[at] = True
            one = _Row(of.rows.item(at), judged.device.item(at), judged.row_time.item(at))
            first, last = np.searchsorted(of.row, (at, at + 1)).tolist()
            for series, time, value, current in zip(
                judged.series[first:last].tolist(),
                judged.time[first:last].tolist(),
                judged.value[first:last].tolist(),
                judged.current[first:last].tolist(),
                strict=True,
            ):
                self._concern(one, series, metrics.item(series), time, value, current)
            room -= 1 + self._judge_row(one, sight.alone(at), turns)
        return alone

    def _judge_some(
        self, group: RuleGroup, row: Places, sight: RoundSight
    ) -> Iterable[tuple[int, int]]:
        """As `_judge_at_once`, in the form that is faster for so few or many."""
        number = group.number.values[sight.device[row]]
        if number.sum() > _FEW_PAIRS:
            return self._judge_at_once(group, row, sight)
        turned: list[tuple[int, int]] = []
        for at, count in zip(row.tolist(), number.tolist(), strict=True):
            start = group.start.values.item(sight.device.item(at))
            found = self._turning(group, range(start, start + count), sight.alone(at))
            turned += [(at, pair) for pair in found]
        return turned

    def _judge_at_once(
        self, group: RuleGroup, row: Places, sight: RoundSight
    ) -> Iterable[tuple[int, int]]:
        """The rows, among those given, where a rule turns, and the pair of rule and device."""
        device = sight.device[row]
        number = group.number.values[device]
        if len(group.forms) > 1:
            pairs_of = np.repeat(np.arange(len(row)), number)
            first = group.start.values[device] - (np.cumsum(number) - number)
            pair = first[pairs_of] + np.arange(len(pairs_of))
            row = row[pairs_of]
        else:
            if not number.all():
                covered = number > 0
                row, device = row[covered], device[covered]
            pair = group.start.values[device]
        if not len(row):
            return ()
        try:
            if group.bounds:
                group.bounds.forget(pair)
            pairs = PairSight(sight, row, group.constants, group.rule.values[pair])
            if group.part is Part.VALUE:
                turned = group.others(pairs, pair.astype(np.intp))
                return zip(row[turned].tolist(), pair[turned].tolist(), strict=True)
            true, false = group.when(pairs)
            holds = group.holds.values[pair]
            clears = group.clear(pairs)[0] & ~true if group.clear and holds.any() else false
            turned = np.flatnonzero(np.where(holds, clears, true))
        except Exception as error:
            self._faults.note("nothing: its rules are judged one by one", error)
            each = zip(row.tolist(), pair.tolist(), sight.device[row].tolist(), strict=True)
            return [
                (at, one)
                for at, one, owner in each
                if self._turning(group, (one,), self._sight(owner))
            ]
        return zip(row[turned].tolist(), pair[turned].tolist(), strict=True)

    def _one_by_one(
        self, judged: Judged, rows: Places, readings: Places, turns: list[Placed]
    ) -> None:
        """Few rows, or those of devices that have many more than the others, row by row."""
        catalogue = self._catalogue
        watermark, metrics = catalogue.watermark.values, catalogue.metric.values
        newest_time, newest_value = catalogue.newest_time.values, catalogue.newest_value.values
        of_readings = zip(
            judged.row[readings].tolist(),
            judged.series[readings].tolist(),
            judged.time[readings].tolist(),
            judged.value[readings].tolist(),
            judged.current[readings].tolist(),
            strict=True,
        )
        reading = next(of_readings, None)
        placing = self.fixes.metrics
        for row, device, row_time in zip(
            rows.tolist(),
            judged.device[rows].tolist(),
            judged.row_time[rows].tolist(),
            strict=True,
        ):
            if row_time > watermark.item(device):
                watermark[device] = row_time
            of = _Row(row, device, row_time)
            placed: dict[int, float] = {}
            while reading and reading[0] == row:
                _, series, time, value, current = reading
                metric = metrics.item(series)
                if current:
                    newest_time[series] = time
                    newest_value[series] = value
                    if metric in placing:
                        placed[metric] = value
                self._concern(of, series, metric, time, value, current)
                self._windows.update_one(series, metric, time, value)
                reading = next(of_readings, None)
            if placed:
                self.fixes.take_row(device, row_time, placed)
            if of.concerned:
                self._judge_row(of, self._sight(device), turns)
            else:
                for series, _ in of.looked_at:
                    self._watch.release(series)

    def _concern(
        self, of: "_Row", series: int, metric: int, time: float, value: float, current: bool
    ) -> None:
        """Note which rules a reading of a row is a matter of."""
        if not current:
            self._alert_all(metric, of.device)
            return
        of.concerned.update(self._rules.clocked)
        if not self._watch.within_one(series, time, value):
            of.concerned.update(self._rules.of_metric.get(metric, ()))
            of.looked_at.append((series, metric))
        elif metric in self._rules.restless_of:
            of.concerned.update(self._rules.restless_of[metric])

    def _judge_row(self, of: "_Row", sight: DeviceSight, turns: list[Placed]) -> int:
        """Judge one row by the rules it concerns, and bound the series that were looked at: by how
        many rules.

        Where there are bounds for a rule as it is, it does not turn, and need not be asked.
        """
        found: Found | None = None
        if not all(self._watch.waiting(series) for series, _ in of.looked_at):
            found = {}
        for group, pair in self._judge_one(of.concerned, of.device, sight, found):
            turns.append(self._turn(group, pair, of.device, of.time, of.row))
        return sum(
            self._calm(series, metric, sight, of.device, found or {})
            for series, metric in of.looked_at
        )

    def _sight_of(self, device: Ids) -> RoundSight:
        return RoundSight(self._catalogue, self._windows, self._whereabouts, device)

    def _sight(self, device: int) -> DeviceSight:
        return DeviceSight(self._catalogue, self._windows, self._whereabouts, device)

    def _alert_all(self, metric: int, device: int) -> None:
        """The next reading of a metric must be looked at, and of those that rules read with it."""
        for place in self._rules.of_metric.get(metric, ()):
            group = self._rules.groups[place]
            group.forget_bounds(device)
            for name in group.metrics:
                self._watch.alert(self._catalogue.by_device(name).values.item(device))

    def _calm(self, series: int, metric: int, sight: DeviceSight, device: int, found: Found) -> int:
        """Bound a series that was just looked at, by every rule that reads it: how many do.

        Where one of them has no bounds every reading matters, and they are not looked for every
        time. `found` are bounds that were found when it was judged.
        """
        watch = self._watch
        if watch.waits(series):
            self._alert_all(metric, device)
            return 0
        watch.release(series)
        count = 0
        for place in self._rules.of_metric.get(metric, ()):
            group = self._rules.groups[place]
            if group.restless:
                continue
            start, number = group.start.values.item(device), group.number.values.item(device)
            count += number
            for pair in range(start, start + number):
                form = group.forms[group.rule.values.item(pair)]
                bounds = found.get(form)
                if bounds is None:
                    bounds = self._bounds(group, form, pair, sight)
                if bounds is None:
                    self._alert_all(metric, device)
                    watch.found_none(series)
                    return count
                for each in bounds:
                    owned = self._catalogue.by_device(each.metric).values.item(device)
                    watch.bound(owned, each)
        watch.found_some(series)
        return count

    def _bounds(
        self, group: RuleGroup, form: RuleForm, pair: int, sight: DeviceSight
    ) -> Sequence[Bounds] | None:
        """Within which a rule stays as it is; None where nobody knows any."""
        known = group.bounds
        newest = sight.newest(known.metric) if known else None
        if known and newest and (found := known.find(pair, *newest)):
            return found
        calm = form.held if group.holds.values.item(pair) else form.unraised
        try:
            bounds = calm(sight) if calm else None
        except Exception as error:
            self._faults.note("nothing: every reading is looked at", error)
            bounds = None
        if known and newest:
            known.keep(pair, newest[0], bounds or ())
        return bounds

    def _judge_one(
        self,
        concerned: Iterable[int],
        device: int,
        here: DeviceSight,
        found: Found | None = None,
    ) -> list[tuple[RuleGroup, int]]:
        """The rules, among groups given, that turn for a device; see `_turning`."""
        turned: list[tuple[RuleGroup, int]] = []
        for place in concerned:
            group = self._rules.groups[place]
            number = group.number.values.item(device)
            if number > _FEW_RULES:
                sight = self._sight_of(np.array([device], np.int32))
                at_once = self._judge_at_once(group, np.zeros(1, np.intp), sight)
                turned += [(group, pair) for _, pair in at_once]
                continue
            start = group.start.values.item(device)
            pairs = range(start, start + number)
            bounded = None if group.restless else found
            turned += [(group, pair) for pair in self._turning(group, pairs, here, bounded)]
        return turned

    def _turning(
        self,
        group: RuleGroup,
        pairs: Iterable[int],
        here: DeviceSight,
        found: Found | None = None,
    ) -> list[int]:
        """Those of the pairs that turn; a fault costs its rule this reading. Those that have bounds
        do not; where `found` is given it is looked for them, and they are kept there.
        """
        turning: list[int] = []
        for pair in pairs:
            form = group.forms[group.rule.values.item(pair)]
            if found is None:
                if group.bounds:
                    group.bounds.forget(pair)
            else:
                bounds = self._bounds(group, form, pair, here)
                if bounds is not None:
                    found[form] = bounds
                    continue
            try:
                if form.number is not None:
                    if group.differs(pair, form, here):
                        turning.append(pair)
                    continue
                true = form.when(here)
                if not group.holds.values.item(pair):
                    turns = true is True
                elif form.clear is None:
                    turns = true is False
                else:
                    turns = true is not True and form.clear(here) is True
            except Exception as error:
                self._faults.note(f"a reading for rule {rule_of(form.name)!r}", error)
                continue
            if turns:
                turning.append(pair)
        return turning

    # -- groups

    @np.errstate(all="ignore")
    def muster(self, names: Collection[str], time: float) -> list[Turn]:
        """Rules of these names that count devices are in force, as of event time `time`: those that
        are true of what is known already turn. What ages are is for `look` to say.
        """
        if not self._rules.musters:
            return []
        self._reach_all()
        devices = self._met()
        turns: list[Placed] = []
        sight = self._sight_of(devices)
        for group in self._rules.groups:
            if group.part and not group.clocked and len(devices):
                asked = {n for n, f in enumerate(group.forms) if rule_of(f.name) in names}
                for at, pair in self._judge_at_once(group, np.arange(len(devices)), sight):
                    if group.rule.values.item(pair) in asked:
                        turns.append(self._turn(group, pair, devices.item(at), time, 0))
        return self._rules.musters.conclude(turns)

    def _met(self) -> Ids:
        """The devices there are as far as rules go."""
        devices = np.arange(self._rules.matched, dtype=np.int32)
        return devices if self.unmet is None else devices[~self.unmet[devices]]

    # -- tags

    @np.errstate(all="ignore")
    def retagged(self, device: int, time: float) -> tuple[list[str], list[Turn]]:
        """A device has other tags: the rules that held for it and are no longer about it, and those
        that turn, because they read its tags, with what is known of it. `time` is event time. One
        that reads ages too turns with the next reading, or by silence.
        """
        self._reach_all()
        turns: list[Placed] = []
        lapsed = self._rules.rematch(device)
        for series in self._catalogue.series_of(device).values():
            self._watch.alert(series)
        touched = self._rules.musters.move(device, [form.name for form in lapsed])
        concerned = [
            place
            for place, group in enumerate(self._rules.groups)
            if not group.clocked and (group.tagged or group.part)
        ]
        for group, pair in self._judge_one(concerned, device, self._sight(device)):
            turns.append(self._turn(group, pair, device, time, 0))
        lapsed.sort(key=lambda form: form.order)
        names = [form.checked.rule.name for form in lapsed if not form.checked.part]
        return names, self._rules.musters.conclude(turns, touched, time)

    # -- zones

    @np.errstate(all="ignore")
    def zones_changed(self, names: Collection[str], time: float) -> list[Turn]:
        """The rules that turn because zones of these names are others than they were: for each
        device where it was last. `time` is event time. One that reads ages too turns with the next
        reading: how old they are now is not for a zone to say.
        """
        self._reach_all()
        devices = np.array(self.fixes.placed(), np.int32)
        turns: list[Placed] = []
        for group in self._rules.groups:
            zones = group.forms[0].checked.zones
            if len(devices) and not group.clocked and not zones.isdisjoint(names):
                sight = self._sight_of(devices)
                for at, pair in self._judge_at_once(group, np.arange(len(devices)), sight):
                    turns.append(self._turn(group, pair, devices.item(at), time, 0))
        self.mistrust()
        return self._rules.musters.conclude(turns)

    # -- silence

    @property
    def has_silences(self) -> bool:
        """Whether time alone can turn a rule."""
        return bool(self._rules.clocked)

    def silences(self, device: int) -> Iterable[tuple[str, float]]:
        """See `RulesInForce.silences`."""
        return self._rules.silences(device)

    def shortest_silences(self) -> Iterable[Silence]:
        """See `RulesInForce.shortest_silences`."""
        return self._rules.shortest_silences()

    def every_silence(self) -> Iterable[Silence]:
        """See `RulesInForce.every_silence`."""
        return self._rules.every_silence()

    def look(self, device: int, silent_s: float, waited_s: float | None, time: float) -> list[Turn]:
        """The rules over ages that come to hold for a device from which nothing came for
        `silent_s`; `waited_s`: it never came, and was expected for that long. `time` is event time.
        One that compares no age with what is constant is for readings to turn, whenever this is
        asked.
        """
        sight = self._witness.silent(device, silent_s, waited_s)
        turned = [
            (group, pair)
            for group, pair in self._rules.clocked_pairs(device)
            if not group.holds.values.item(pair)
            and group.part in (None, Part.TRUE)  # silence says of nothing that it is over
            and (form := group.forms[group.rule.values.item(pair)]).silences
            and form.when(sight) is True
        ]
        placed = [self._turn(group, pair, device, time, 0, sight) for group, pair in turned]
        return self._rules.musters.conclude(placed)

    # -- the hour

    @property
    def reads_hour(self) -> bool:
        return bool(self._rules.hourly)

    @property
    def reads_hour_and_ages(self) -> bool:
        return not self._rules.clocked.isdisjoint(self._rules.hourly)

    @np.errstate(all="ignore")
    def hour_turned(self, time: float, silence_of: SilenceOf) -> list[Turn]:
        """The hour at the site is another one: the rules that turn by that, at engine time `time`.

        Where a rule reads ages too it only ends here, and only if it does so both with the ages of
        the device's newest reading and with those of now: silence clears nothing. Whether it comes
        to hold is for `look` to say.
        """
        self._reach_all()
        self._watch.forget()
        devices = self._met()
        sight = self._sight_of(devices)
        turned: list[Placed] = []
        for place in self._rules.hourly:
            group = self._rules.groups[place]
            if group.clocked:
                for device, pair in group.holding():
                    now = self._witness.silent(device, *silence_of(device, time))
                    if self._turning(group, (pair,), self._sight(device)) and self._turning(
                        group, (pair,), now
                    ):
                        turned.append(self._turn(group, pair, device, time, device, now))
                continue
            for at, pair in self._judge_at_once(group, np.arange(len(devices)), sight):
                device = devices.item(at)
                turned.append(self._turn(group, pair, device, time, device))
        return self._rules.musters.conclude(turned, at_once=True)

    def _turn(
        self,
        group: RuleGroup,
        pair: int,
        device: int,
        time: float,
        row: int,
        sight: DeviceSight | None = None,
    ) -> Placed:
        """Turn a pair over."""
        form = group.forms[group.rule.values.item(pair)]
        truth = not group.holds.values.item(pair)
        group.holds.values[pair] = truth
        if group.bounds:
            group.bounds.forget(pair)
        if group.part is Part.VALUE:
            told: dict[str, Value] = {VALUE: group.tell(pair)}
            return form.order, Turn(row, form.checked.rule, device, True, time, told, NO_EVIDENCE)
        if group.part:
            return form.order, Turn(row, form.checked.rule, device, truth, time, {}, NO_EVIDENCE)
        shown, evidence = self._witness.shown(form, device, sight or self._sight(device))
        return form.order, Turn(row, form.checked.rule, device, truth, time, shown, evidence)

    @np.errstate(all="ignore")
    def evidence(self, alert: Alert, at: float, silence_of: SilenceOf) -> Evidence | None:
        """See `Witness.evidence`."""
        self._reach_all()
        return self._witness.evidence(alert, at, silence_of)

    # -- snapshots

    def state(self) -> dict[str, Any]:
        held = self._rules.held()
        return {
            "held": held.devices,
            "values": held.values,
            "mustered": held.groups,
            "windows": self._windows.state(),
            "fixes": self.fixes.state(),
        }

    def load(self, state: dict[str, Any], rules: Sequence[CheckedRule]) -> None:
        """Become what `state` was taken from; catalogue and rules come before."""
        self.__init__(self._catalogue, self._faults, self._zones)
        self._windows.load(state["windows"])
        self.fixes.load(state["fixes"])
        self._use(rules, Held(state["held"], state["values"], state["mustered"]))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that is judged by itself: its place in the batch, device and event time, the groups of
    rules it concerns, and series and metric of the readings that turn something or may."""

    row: int
    device: int
    time: float
    concerned: set[int] = field(default_factory=set[int])
    looked_at: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


@dataclass(frozen=True, slots=True)
class _Round:
    """Rows of different devices: `rows` are their places in the batch, `row` that of each reading
    among them.
    """

    rows: Places
    row: Places
    judged: Judged
