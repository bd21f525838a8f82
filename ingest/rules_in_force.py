"""The rules in force: compiled, matched with the devices they are for, found by what wakes them."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.faults import Faults
from tocsin.ingest.growing import Growing
from tocsin.ingest.musters import Held, Musters
from tocsin.ingest.rules import compiled
from tocsin.ingest.rules.deadline import Deadline
from tocsin.ingest.rules.group import RuleForm, RuleGroup
from tocsin.ingest.rules.muster import rule_of
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.scalar import Scalar
from tocsin.ingest.rules.selector import Selector
from tocsin.ingest.rules.validation import CheckedRule

Places = NDArray[np.intp]
Floats = NDArray[np.float64]
Silence: TypeAlias = tuple[NDArray[np.bool_], str, Floats]
"""By device whether it waits; the metric; by device the age of it in seconds, NaN or infinite for
never."""


class RulesInForce:
    """Owns the groups of rules that ask alike, and where each of them holds.

    A *place* is an index of `groups`. `of_metric`: those that read a metric, by its id. `clocked`
    ones read ages, and are judged whatever comes of a device; `hourly` ones when the hour turns.
    `restless_of` a metric are those that are judged on each of its readings, and `restless` says,
    by metric, whether there are any. `watched`: by metric, whether any rule reads it.
    """

    def __init__(self, catalogue: Catalogue, faults: Faults) -> None:
        self._catalogue = catalogue
        self._faults = faults
        self.groups: list[RuleGroup] = []
        self.musters = Musters(catalogue, faults)
        self.forms: dict[str, RuleForm] = {}  # by the names of rules, and of parts of rules
        self.of_metric: dict[int, list[int]] = {}
        self.clocked: frozenset[int] = frozenset()
        self.hourly: list[int] = []
        self.restless_of: dict[int, frozenset[int]] = {}
        self.restless = Growing[np.bool_](np.bool_, False)
        self.watched = Growing[np.bool_](np.bool_, False)
        self._selectors: dict[Hashable, tuple[Selector, Growing[np.bool_]]] = {}
        self.matched = 0
        """Devices that the rules have been matched with."""

    # -- rules

    def use(
        self,
        rules: Sequence[CheckedRule],
        held: Held,
    ) -> None:
        """Compile these rules; `held` says for which devices, and groups, each holds."""
        catalogue = self._catalogue
        scalar = Scalar(catalogue.code_of)
        alike: dict[Hashable, list[RuleForm]] = {}
        self.musters = Musters(catalogue, self._faults)
        for order, checked in enumerate(rules):
            for each in self.musters.asked_of_devices(checked, order):
                clear = compiled.skeleton(each.clear) if each.clear else None
                key = (compiled.skeleton(each.when), clear, each.part)
                alike.setdefault(key, []).append(RuleForm(each, order, scalar))
        self.groups = [RuleGroup(forms, catalogue.code_of) for forms in alike.values()]
        self.forms = {form.name: form for group in self.groups for form in group.forms}
        selectors = {checked.devices.key: checked.devices for checked in rules}
        self._selectors = {
            key: self._selectors.get(key) or (selector, Growing[np.bool_](np.bool_, False))
            for key, selector in selectors.items()
        }
        catalogue.tags.forget_columns()
        self._find_what_wakes(rules)
        self.matched = 0
        self.reach(len(catalogue.devices))
        for group in self.groups:
            for index, form in enumerate(group.forms):
                devices = held.devices.get(form.name)
                if devices is not None:
                    group.hold(index, devices, held.values.get(form.name))
        self.musters.hold(held)

    def _find_what_wakes(self, rules: Sequence[CheckedRule]) -> None:
        catalogue, groups = self._catalogue, self.groups
        metrics = {name: catalogue.admit_metric(name) for rule in rules for name in rule.metrics}
        self.watched = Growing[np.bool_](np.bool_, False)
        self.of_metric = {}
        for place, group in enumerate(groups):
            for name in group.metrics:
                metric = metrics[name]
                self.watched.reach(metric + 1)
                self.watched.values[metric] = True
                self.of_metric.setdefault(metric, []).append(place)
        self.clocked = frozenset(n for n, group in enumerate(groups) if group.clocked)
        self.hourly = [n for n, group in enumerate(groups) if group.hourly]
        self.restless = Growing[np.bool_](np.bool_, False)
        self.restless.reach(len(catalogue.metrics))
        self.restless_of = {}
        for metric, places in self.of_metric.items():
            restless = frozenset(place for place in places if groups[place].restless)
            if restless:
                self.restless_of[metric] = restless
                self.restless.values[metric] = True

    # -- devices

    def reach(self, devices: int) -> None:
        """Know which rules cover the devices up to this number of them."""
        if devices == self.matched:
            return
        names, tags = self._catalogue.devices, self._catalogue.tags
        for selector, matches in self._selectors.values():
            matches.reach(devices)
            for device in range(self.matched, devices):
                matches.values[device] = selector.matches(names[device], tags.of(device))
        self.matched = devices
        self.musters.reach(devices)
        for group in self.groups:
            group.reach(devices, self.covers)

    def reach_metrics(self, metrics: int) -> None:
        for by_metric in (self.watched, self.restless):
            by_metric.reach(metrics)

    def covers(self, selector: Selector) -> NDArray[np.bool_]:
        """Which devices a selector of theirs matches."""
        return self._selectors[selector.key][1].values

    def rematch(self, device: int) -> list[RuleForm]:
        """A device has other tags: the rules, or parts of rules, that held for it and are no longer
        about it."""
        name, tags = self._catalogue.devices[device], self._catalogue.tags.of(device)
        for selector, matches in self._selectors.values():
            matches.values[device] = selector.matches(name, tags)
        lapsed: list[RuleForm] = []
        for group in self.groups:
            fits = [self.covers(form.checked.devices).item(device) for form in group.forms]
            lapsed += group.rematch(device, np.array(fits, np.bool_))
        return lapsed

    def clocked_pairs(self, device: int) -> Iterable[tuple[RuleGroup, int]]:
        """The rules that read ages and are for a device: their groups, and pairs in these."""
        self.reach(len(self._catalogue.devices))
        for place in sorted(self.clocked):
            group = self.groups[place]
            start = group.start.values.item(device)
            for pair in range(start, start + group.number.values.item(device)):
                yield group, pair

    # -- silence

    def silences(self, device: int) -> Iterator[tuple[str, float]]:
        """Metrics, and their ages in seconds, at which a rule that does not hold for a device may
        come to."""
        tags = self._catalogue.tags
        for group, pair in self.clocked_pairs(device):
            if not group.holds.values.item(pair):
                for deadline in group.forms[group.rule.values.item(pair)].silences:
                    age_s = deadline.seconds
                    if age_s is None:
                        age_s = float(
                            deadline.of(lambda tag: tags.column(*tag).values.item(device))
                        )
                    if isfinite(age_s):
                        yield deadline.metric, age_s

    def shortest_silences(self) -> Iterator[Silence]:
        """As `silences`, of all devices, each where a rule asks for it: the shortest age of any."""
        self.reach(len(self._catalogue.devices))
        for place in self.clocked:
            group = self.groups[place]
            shortest: dict[str, float] = {}
            owned: dict[Deadline, None] = {}
            for form in group.forms:
                for each in form.silences:
                    if (age_s := each.seconds) is None:
                        owned[each] = None
                    else:
                        shortest[each.metric] = min(shortest.get(each.metric, age_s), age_s)
            covers = group.number.values > 0
            for metric, age_s in shortest.items():
                yield covers, metric, np.broadcast_to(np.float64(age_s), len(covers))
            for each in owned:
                yield covers, each.metric, self._ages(each)

    def every_silence(self) -> Iterator[Silence]:
        """As `silences`, of all devices and all rules."""
        self.reach(len(self._catalogue.devices))
        known = {
            (form.checked.devices.key, deadline.metric, print_expression(deadline.age)): (
                form.checked.devices,
                deadline,
            )
            for place in self.clocked
            for form in self.groups[place].forms
            for deadline in form.silences
        }
        for _, (selector, deadline) in sorted(known.items(), key=lambda each: each[0]):
            yield self.covers(selector), deadline.metric, self._ages(deadline)

    def _ages(self, deadline: Deadline) -> Floats:
        """By device, in seconds; NaN or infinite for never."""
        tags, count = self._catalogue.tags, len(self._catalogue.devices)
        own = deadline.of(lambda tag: tags.column(*tag).values[:count])
        return np.broadcast_to(np.asarray(own, np.float64), count)

    # -- what holds

    def held(self, without: Collection[str] = ()) -> Held:
        """What holds, but for these rules."""
        devices: dict[str, Places] = {}
        values: dict[str, NDArray[np.float64]] = {}
        for group in self.groups:
            for name, places, told in group.held():
                if rule_of(name) not in without:
                    devices[name] = places
                    if told is not None:
                        values[name] = told
        groups = {name: on for name, on in self.musters.state().items() if name not in without}
        return Held(devices, values, groups)
