"""The tags that devices have, what their profiles state, and what rules read of both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite, nan
from typing import Any

import numpy as np

from tocsin.devices.profile import FIELD_PLACE, Field, ProfileTable, written
from tocsin.devices.tags import TagTable
from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.stated import Stated

Tags = Mapping[str, str]
Limits = Mapping[str, float]

_NONE: Tags = {}
_ANY = ProfileTable()
_UNNAMED = -1.0
"""The code of a text that no rule names: it is equal to none of those that rules name."""


class TagBook:
    """Owns the tags of each device by where they come from, what its profile states, and columns
    of both for rules.

    `code_of` gives the code of a text that a rule compares with, None for any other.
    """

    def __init__(self, code_of: Callable[[str], int | None]) -> None:
        self._code_of = code_of
        self._tables: Sequence[TagTable] = ()
        self._claimed: dict[int, dict[str, str]] = {}  # by device: what its topics say
        self._set: dict[int, dict[str, str]] = {}  # what the settings say
        self._given: dict[int, dict[str, str]] = {}  # what people say
        self.given_version = 0  # rises with each change of what people say
        self._tags: dict[int, Tags] = {}  # all of it
        self._profile_tables: Sequence[ProfileTable] = ()
        self._profiles: dict[int, ProfileTable] = {}  # that of the device
        self._stated = Stated()
        self._columns: dict[tuple[str, str], Growing[np.float64]] = {}
        self._count = 0

    def of(self, device: int) -> Tags:
        """The tags of a device. Not to be changed."""
        return self._tags.get(device, _NONE)

    def given(self, device: int) -> Tags:
        """Those of them that a person gave it."""
        return self._given.get(device, _NONE)

    def all_given(self) -> Mapping[int, Tags]:
        """What people gave, by device. Not to be changed."""
        return self._given

    @property
    def tables(self) -> Sequence[TagTable]:
        return self._tables

    def limits_of(self, device: int) -> Limits:
        """The limits that the profile of a device states. Not to be changed."""
        return self._profiles.get(device, _ANY).limits

    def fields_of(self, device: int) -> Mapping[str, Field]:
        """The fields that the profile of a device states. Not to be changed."""
        return self._profiles.get(device, _ANY).fields

    def group_of(self, device: int, group_by: str) -> str | None:
        """The group of a device: what its tag says, or, by `profile.medium`, that field."""
        if not group_by.startswith(FIELD_PLACE):
            return self.of(device).get(group_by)
        said = self.fields_of(device).get(group_by.removeprefix(FIELD_PLACE))
        return None if said is None else written(said)

    def limits_in_force(self, device: int) -> dict[str, float]:
        """What `limit` is on a device, by name: of its profile, or of its own tag."""
        names = {*self.limits_of(device), *(self.stated().limits & self.of(device).keys())}
        found = {name: self._read("limit", name, device) for name in sorted(names)}
        return {name: limit for name, limit in found.items() if limit == limit}

    @property
    def profile_tables(self) -> Sequence[ProfileTable]:
        return self._profile_tables

    def stated(self) -> Stated:
        """What any profile states."""
        return self._stated

    # -- changes: each says whether, or for which devices, tags are others now

    def admit(self, device: int, name: str) -> None:
        """A new device, the next one."""
        self._count = device + 1
        for column in self._columns.values():
            column.reach(self._count)
        self._configure(device, name)
        self._describe_by_profile(device, name)

    def claims_other(self, device: int, tags: Tags) -> bool:
        """Whether a topic says what no topic of the device has said last."""
        claimed = self._claimed.get(device, _NONE)
        return any(claimed.get(name) != value for name, value in tags.items())

    def claim(self, device: int, tags: Tags) -> bool:
        self._claimed[device] = {**self._claimed.get(device, _NONE), **tags}
        return self._settle(device)

    def give(self, device: int, tags: Tags) -> bool:
        """These are a person's, in place of those they gave before."""
        self.given_version += 1
        self._given[device] = dict(tags)
        if not tags:
            del self._given[device]
        return self._settle(device)

    def configure(self, tables: Sequence[TagTable], names: Iterable[str]) -> list[int]:
        """The settings have these tables, in place of those before. `names` are all devices'."""
        self._tables = tuple(tables)
        return [device for device, name in enumerate(names) if self._configure(device, name)]

    def _configure(self, device: int, name: str) -> bool:
        found: dict[str, str] = {}
        for table in self._tables:
            if table.covers(name):
                found.update(table.tags)
        if found == self._set.get(device, _NONE):
            return False
        self._set[device] = found
        return self._settle(device)

    def configure_profiles(self, tables: Sequence[ProfileTable], names: Iterable[str]) -> list[int]:
        """The profiles in the settings state this, in place of what they did before."""
        self._profile_tables = tuple(tables)
        self._stated = Stated.of(tables)
        return [
            device for device, name in enumerate(names) if self._describe_by_profile(device, name)
        ]

    def _describe_by_profile(self, device: int, name: str) -> bool:
        tables = (table for table in self._profile_tables if table.covers(name))
        return self.describe(device, next(tables, _ANY))

    def describe(self, device: int, profile: ProfileTable) -> bool:
        """The profile of a device states this, in place of what it did before."""
        before = self._profiles.get(device, _ANY)
        self._profiles[device] = profile
        if (profile.limits, profile.fields) == (before.limits, before.fields):
            return False
        self._fill(device)
        return True

    def _settle(self, device: int) -> bool:
        before = self.of(device)
        tags = {
            **self._claimed.get(device, _NONE),
            **self._set.get(device, _NONE),
            **self._given.get(device, _NONE),
        }
        if tags == before:
            return False
        self._tags[device] = tags
        self._fill(device)
        return True

    def _fill(self, device: int) -> None:
        for (kind, name), column in self._columns.items():
            column.values[device] = self._read(kind, name, device)

    # -- what rules read

    def column(self, kind: str, name: str) -> Growing[np.float64]:
        """By device, NaN where it has none: the code of a tag's text (`tag`), its number
        (`tag_number`), or a limit: that of the device's own tag of this name, else of its profile
        (`limit`). Kept up to date."""
        column = self._columns.get((kind, name))
        if column is None:
            column = self._columns[kind, name] = Growing[np.float64](np.float64, nan)
            column.reach(self._count)
            for device in {*self._tags, *(self._profiles if kind == "limit" else ())}:
                column.values[device] = self._read(kind, name, device)
        return column

    def forget_columns(self) -> None:
        """Rules compare with other texts than before."""
        self._columns = {}

    def _read(self, kind: str, name: str, device: int) -> float:
        value = self.of(device).get(name)
        if kind == "limit":
            own = nan if value is None else number_of(value)
            return own if own == own else float(self.limits_of(device).get(name, nan))
        if value is None:
            return nan
        if kind == "tag":
            code = self._code_of(value)
            return _UNNAMED if code is None else float(code)
        return number_of(value)

    # -- snapshots

    def state(self) -> dict[str, Any]:
        return {
            "tables": [(table.devices, dict(table.tags)) for table in self._tables],
            "profiles": [
                (table.devices, dict(table.limits), dict(table.fields))
                for table in self._profile_tables
            ],
            "claimed": self._claimed,
            "given": self._given,
        }

    def load(self, state: Mapping[str, Any], names: Sequence[str]) -> None:
        """Become what `state` was taken from, for devices of these names."""
        self.__init__(self._code_of)
        self._count = len(names)
        self._claimed = {int(device): tags for device, tags in state["claimed"].items()}
        self._given = {int(device): tags for device, tags in state["given"].items()}
        for device in {*self._claimed, *self._given}:
            self._settle(device)
        self.configure([TagTable(*table) for table in state["tables"]], names)
        self.configure_profiles([ProfileTable(*table) for table in state["profiles"]], names)


def number_of(value: str) -> float:
    """The number that a tag says, NaN if it says none."""
    try:
        number = float(value)
    except ValueError:
        return nan
    return number if isfinite(number) else nan
