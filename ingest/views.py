"""What the pipeline knows, as others see it."""

from collections.abc import Mapping

import msgspec

from tocsin.devices.formats.row import Value
from tocsin.devices.profile import Field
from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.geo.fixes import Fixes
from tocsin.ingest.presence import PresenceBook
from tocsin.ingest.refusals import Refusals, Rejection


class MetricView(msgspec.Struct, frozen=True):
    """The newest reading of a metric. `kind` is number, boolean or text."""

    value: Value
    time: float
    unit: str | None
    kind: str


class ClockView(msgspec.Struct, frozen=True):
    """By how many seconds the clock of a device is `ahead_s` of ours, negative behind, None where
    the device states no times; and whether that is more than is tolerated."""

    ahead_s: float | None
    wrong: bool


class DeviceView(msgspec.Struct, frozen=True):
    """A device. Times in seconds since the epoch. `messages_total` counts PUBLISHes, refused ones
    too; `rejected_total` those of them refused wholly or in part; the other totals readings.
    `position` is (latitude, longitude) of the newest position that can be true, `accuracy_m` how
    exact it is said to be, `speed_kmh` of the way to it; `jumps_total` positions could not be.
    """

    id: str
    connection: str
    connection_reason: str | None
    via: str | None
    freshness: str
    last_seen: float | None
    messages_total: int
    readings_total: int
    late_total: int
    duplicates_total: int
    rejected_total: int
    future_total: int
    metrics: dict[str, MetricView]
    tags: Mapping[str, str]
    limits: Mapping[str, float]
    profile: Mapping[str, Field]
    last_rejected: Rejection | None
    position: tuple[float, float] | None
    accuracy_m: float | None
    speed_kmh: float | None
    jumps_total: int
    clock: ClockView


class PipelineStats(msgspec.Struct, frozen=True):
    """Totals since the data folder was made. `strangers_total` are refused messages of devices
    that could not be told or admitted; `rejected_total` has them too. `clocks_wrong` is of now.
    """

    messages_total: int
    readings_total: int
    late_total: int
    duplicates_total: int
    future_total: int
    rejected_total: int
    strangers_total: int
    unclaimed_total: int
    devices: int
    series: int
    clocks_wrong: int


_KINDS = [kind.name.lower() for kind in sorted(Kind)]


def view_device(
    device: int,
    catalogue: Catalogue,
    presence: PresenceBook,
    refusals: Refusals,
    fixes: Fixes,
    clock: ClockView,
) -> DeviceView:
    seen = presence.view(device)
    profile = catalogue.profiles[device]
    metrics: dict[str, MetricView] = {}
    for name, series in catalogue.series_of(device).items():
        if catalogue.newest_time.values[series] > float("-inf"):
            time, value = catalogue.newest(series)
            kind = _KINDS[catalogue.kind.values.item(series)]
            metrics[name] = MetricView(value, time, profile.unit_of(name), kind)
    latitude, longitude = (
        catalogue.latitude.values.item(device),
        catalogue.longitude.values.item(device),
    )
    fixes.reach()
    accuracy_m, speed_kmh = (
        None if value != value else value
        for value in (fixes.accuracy_m.values.item(device), fixes.speed_kmh.values.item(device))
    )
    return DeviceView(
        id=seen.device,
        connection=seen.connection,
        connection_reason=seen.connection_reason,
        via=seen.via,
        freshness=seen.freshness,
        last_seen=seen.last_seen,
        messages_total=catalogue.messages.values.item(device),
        readings_total=catalogue.readings.values.item(device),
        late_total=catalogue.late.values.item(device),
        duplicates_total=catalogue.duplicates.values.item(device),
        rejected_total=catalogue.rejected.values.item(device),
        future_total=catalogue.future.values.item(device),
        metrics=metrics,
        tags=catalogue.tags.of(device),
        limits=catalogue.tags.limits_in_force(device),
        profile=catalogue.tags.fields_of(device),
        last_rejected=refusals.last_of(device),
        position=None if latitude != latitude else (latitude, longitude),
        accuracy_m=accuracy_m,
        speed_kmh=speed_kmh,
        jumps_total=fixes.jumps(device),
        clock=clock,
    )


def view_totals(
    messages_total: int, catalogue: Catalogue, refusals: Refusals, clocks_wrong: int
) -> PipelineStats:
    count = len(catalogue.devices)
    return PipelineStats(
        messages_total=messages_total,
        readings_total=int(catalogue.readings.values[:count].sum()),
        late_total=int(catalogue.late.values[:count].sum()),
        duplicates_total=int(catalogue.duplicates.values[:count].sum()),
        future_total=int(catalogue.future.values[:count].sum()),
        rejected_total=int(catalogue.rejected.values[:count].sum()) + refusals.strangers_total,
        strangers_total=refusals.strangers_total,
        unclaimed_total=refusals.unclaimed_total,
        devices=count,
        series=catalogue.series_count,
        clocks_wrong=clocks_wrong,
    )
