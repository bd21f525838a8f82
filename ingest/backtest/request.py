"""What the server asks of the worker that runs a backtest."""

import msgspec

from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.downtime import Away
from tocsin.ingest.geo.zone_set import ZoneVersion
from tocsin.ingest.rules.rule import Rule


class BacktestRequest(msgspec.Struct, frozen=True):
    """Judge what arrived in [start, end) by `rules`, after a warm-up from `since` on.

    Columns: by series int32 `device` and `metric` (places in `devices` and `metrics`), int8 `kind`
    and bool `derived`; then readings that are not in history yet: int32 series, float64 time,
    float64 value, bool late, float64 arrival, int32 row. `texts` by code. Answer: Report; progress:
    Progress.
    """

    folder: str
    files: list[str]
    older: list[str]
    """With rows that arrived before `since`."""
    without_arrival: list[str]
    rules: list[Rule]
    devices: list[str]
    metrics: list[str]
    texts: list[str]
    since: float
    start: float
    end: float
    max_readings: int
    flaps: FlapLimits
    max_speeds_kmh: list[float]
    """By device."""
    zones: list[ZoneVersion]
    """What zones were at `since`, and what became of them until `end`."""
    away: list[Away]
    """When the server was, until `end`."""
    expected: list[tuple[str, float]]
    """Devices that have to be there, and since when."""
    timezone: str = "UTC"
    counters: list[tuple[str, ...]] = []
    """By device, as in its profile."""
    tags: list[dict[str, str]] = []
    """By device; those of now."""
    limits: list[dict[str, float]] = []
    """By device, as its profile states them now."""
    fields: list[dict[str, str | float]] = []
    """The same of fields, the name of the profile among them."""


class Progress(msgspec.Struct, frozen=True):
    """Readings judged so far, and how many there are."""

    readings: int
    of: int
