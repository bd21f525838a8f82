"""What of a valid rule looks like a slip, beside what a plant has sent so far.

A rule may come before its devices: so none of this keeps a rule from being in force.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TypeAlias, cast

from tocsin.devices.profile import unit_of
from tocsin.ingest.backtest.preparation import scope_of
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.rules.expression import Call, Text
from tocsin.ingest.rules.suggestion import did_you_mean
from tocsin.ingest.rules.units import unit_doubts
from tocsin.ingest.rules.validation import CheckedRule, RuleError

UnitsOf: TypeAlias = Callable[[str], Sequence[str]]
"""The units that a metric is in: none known, one, or several on different devices."""


def doubts(rule: CheckedRule, catalogue: Catalogue) -> list[RuleError]:
    """That a rule is for no device, reads a metric that none of its devices has, a tag that no
    device has, or a limit that none of its devices has: nothing of it while there are no devices.
    And that things of two units meet.

    Looks at every device: some µs each.
    """
    found = [*doubts_of_units(rule, _units_of(rule, catalogue))]
    if not catalogue.devices:
        return found
    try:
        scope_of([rule], catalogue, 0.0, 1.0, expected={})
    except RuleError as error:
        found.append(error)
    asked = [("tags", name, None) for name in rule.rule.tags]
    asked += [("when", *tag) for tag in _names_read(rule.when, ("tag", "tag_number"))]
    asked += [("clear", *tag) for tag in _names_read(rule.clear, ("tag", "tag_number"))]
    if asked:
        known = {tag for i in range(len(catalogue.devices)) for tag in catalogue.tags.of(i)}
        for key, name, column in asked:
            if name not in known:
                found.append(RuleError(key, _no_tag(name, column, known), column))
    for key, tree in (("when", rule.when), ("clear", rule.clear)):
        for name, column in _names_read(tree, ("limit",)):
            if not _has_limit(rule, name, catalogue):
                said = f"no device that it is for has a limit {name[:64]!r} at column {column}"
                found.append(RuleError(key, said, column))
    return found


def doubts_of_units(rule: CheckedRule, units_of: UnitsOf) -> Iterator[RuleError]:
    """That a rule compares or adds what is in different units, as far as these are known, or
    reads a metric that is not of one unit on all its devices."""

    def only_unit(metric: str) -> str | None:
        units = units_of(metric)
        return units[0] if len(units) == 1 else None

    for key, tree in (("when", rule.when), ("clear", rule.clear)):
        if tree is None:
            continue
        for message, column in unit_doubts(tree, only_unit):
            yield RuleError(key, message, column)
    for metric in rule.metrics:
        if len(units := units_of(metric)) > 1:
            yield RuleError(
                "devices",
                f"{metric!r} is in {' and in '.join(units[:4])} on devices that it is for; expected"
                " one unit, or limits of their profiles, as in limit('temp_max_c')",
            )


def units_by_name(metric: str) -> Sequence[str]:
    """The unit that a metric's name implies, where nothing else is known of it."""
    unit = unit_of(metric)
    return [unit] if unit else []


def _units_of(rule: CheckedRule, catalogue: Catalogue) -> UnitsOf:
    """The units of metrics on the devices that a rule is for."""

    def units_of(metric: str) -> Sequence[str]:
        found = {
            catalogue.profiles[device].unit_of(metric)
            for device, name in enumerate(catalogue.devices)
            if catalogue.series_id(device, metric) is not None
            and rule.devices.matches(name, catalogue.tags.of(device))
        }
        return sorted(filter(None, found)) if found else units_by_name(metric)

    return cache(units_of)


def _has_limit(rule: CheckedRule, name: str, catalogue: Catalogue) -> bool:
    tags = catalogue.tags
    limits = tags.column("limit", name).values
    return any(
        limits.item(i) == limits.item(i) and rule.devices.matches(device, tags.of(i))
        for i, device in enumerate(catalogue.devices)
    )


def _no_tag(name: str, column: int | None, known: set[str]) -> str:
    where = "" if column is None else f" at column {column}"
    return f"no device has a tag {name[:64]!r}{where}{did_you_mean(name, known)}"


def _names_read(tree: object, functions: Collection[str]) -> Iterator[tuple[str, int]]:
    """The names that an expression asks these functions for, each with its column."""
    if isinstance(tree, Call) and tree.function in functions:
        for argument in tree.arguments:
            if isinstance(argument, Text):
                yield argument.value, argument.column
    elif isinstance(tree, tuple):
        for part in cast("tuple[object, ...]", tree):
            yield from _names_read(part, functions)
    elif is_dataclass(tree):
        for each in fields(tree):
            yield from _names_read(getattr(tree, each.name), functions)
