"""What kind of device it is: expected interval, units, counters, limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from math import isfinite
from typing import TypeAlias

from tocsin.devices.tags import TagError, check_tag_name, check_tag_value

# By the last part of a metric's name, the way people name metrics: `temp_c`, `flow_lpm`.
UNITS = {
    "a": "A", "bar": "bar", "bpm": "bpm", "c": "°C", "cm": "cm", "db": "dB", "deg": "°",
    "f": "°F", "g": "g", "hpa": "hPa", "hz": "Hz", "k": "K", "kg": "kg", "kmh": "km/h",
    "kpa": "kPa", "kw": "kW", "kwh": "kWh", "l": "L", "lpm": "L/min", "lux": "lx", "m": "m",
    "ma": "mA", "mbar": "mbar", "mm": "mm", "mps": "m/s", "ms": "ms", "mv": "mV", "n": "N",
    "nm": "Nm", "pa": "Pa", "pct": "%", "percent": "%", "ppb": "ppb", "ppm": "ppm",
    "psi": "psi", "rpm": "rpm", "s": "s", "v": "V", "w": "W", "wh": "Wh",
}  # fmt: skip
WHOLE_SUFFIXES = {
    "mm_s": "mm/s", "m_s": "m/s", "pct_lel": "% LEL", "ug_m3": "µg/m³", "m3_h": "m³/h",
}  # fmt: skip


MAX_LIMITS = 64
"""Limits of one profile."""

MAX_FIELDS = 32
"""Fields of one profile."""

FIELD_PLACE = "profile."
"""What the place of a field begins with, in a message and where devices are grouped. No name of a
tag has a point."""

NAME = "name"
"""The field that is the name of the profile."""

Field: TypeAlias = str | float


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """What a profile states for rules to read: its limits and its fields, by name. The first table
    that covers a device counts."""

    devices: str = "*"
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    fields: Mapping[str, Field] = field(default_factory=dict[str, Field])

    def covers(self, device: str) -> bool:
        return fnmatchcase(device, self.devices)


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings for the devices that match a glob; the first profile that matches counts.

    `expected_interval_s` is how often such a device reports (None: learned from its
    messages), `expected` the ids of devices that must be there, also before their first message,
    `allowed_lateness_s` how much older than the newest a reading may be and still
    be judged, `units` the unit of a metric by its name, `max_speed_kmh` the speed above which a
    change of its position cannot be, `counters` the globs of metrics that only ever grow, but for
    starting anew at 0, `limits` numbers that rules read by their names. `name` is what this kind
    of device is called, `fields` what else is to be known of it: texts and numbers.
    """

    devices: str = "*"
    expected_interval_s: float | None = None
    allowed_lateness_s: float = 60.0
    units: Mapping[str, str] = field(default_factory=dict[str, str])
    expected: tuple[str, ...] = ()
    max_speed_kmh: float = 1000.0
    counters: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    name: str = ""
    fields: Mapping[str, Field | bool] = field(default_factory=dict[str, Field | bool])

    def __post_init__(self) -> None:
        for device in self.expected:
            if not 0 < len(device) <= 128 or set(device) & set("/+#") or not device.isprintable():
                raise ValueError(
                    f"expected names {device[:64]!r}; expected ids of devices, 1 to 128 characters"
                    " without '/', '+' and '#'"
                )
        if len(self.limits) > MAX_LIMITS:
            raise ValueError(f"has {len(self.limits)} limits; expected at most {MAX_LIMITS}")
        for name, limit in self.limits.items():
            try:
                check_tag_name(name)
            except TagError:
                raise ValueError(
                    f"limits has {name[:64]!r}; expected letters, digits and '_', as in temp_max_c"
                ) from None
            if not isfinite(limit):
                raise ValueError(f"limit {name} is {limit}; expected a number")
        self._check_fields()

    def _check_fields(self) -> None:
        if len(self.fields) > MAX_FIELDS:
            raise ValueError(f"has {len(self.fields)} fields; expected at most {MAX_FIELDS}")
        for name, said in (*self.fields.items(), *([(NAME, self.name)] if self.name else ())):
            try:
                check_tag_name(name)
                if isinstance(said, str):
                    check_tag_value(name, said)
            except TagError as error:
                raise ValueError(str(error).replace("tag", "field", 1)) from None
            if isinstance(said, bool) or (isinstance(said, float) and not isfinite(said)):
                raise ValueError(f"field {name} is {said}; expected text or a number")
        if NAME in self.fields:
            raise ValueError(f"fields has {NAME!r}; expected it as a key of the profile itself")

    @property
    def stated(self) -> dict[str, Field]:
        """Its fields, its name among them."""
        named = {NAME: self.name} if self.name else {}
        return named | {
            name: said if isinstance(said, str) else float(said)
            for name, said in self.fields.items()
        }

    def table(self) -> ProfileTable:
        """What of it rules read."""
        return ProfileTable(self.devices, dict(self.limits), self.stated)

    def covers(self, device: str) -> bool:
        return fnmatchcase(device, self.devices)

    def counts(self, metric: str) -> bool:
        """Whether a metric is a counter."""
        return any(fnmatchcase(metric, each) for each in self.counters)

    def unit_of(self, metric: str) -> str | None:
        return self.units.get(metric) or unit_of(metric)


def written(said: Field) -> str:
    """A field as text: a number as people write it."""
    if isinstance(said, str):
        return said
    said = float(said)
    return str(int(said)) if said.is_integer() and abs(said) < 1e15 else repr(said)


@lru_cache(4096)  # asked for each metric of a device whenever the device is shown
def unit_of(metric: str) -> str | None:
    """The unit a metric's name implies, or None: `boiler.temp_c` → `°C`."""
    name = metric.lower()
    for suffix, unit in WHOLE_SUFFIXES.items():
        if name == suffix or name.endswith(("_" + suffix, "." + suffix)):
            return unit
    last = name.rpartition("_")[2] if "_" in name else ""
    return UNITS.get(last)
