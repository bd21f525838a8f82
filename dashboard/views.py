"""What the API and the stream say about devices and alerts: the JSON others rely on.

Inside, times are seconds since the epoch; here they are datetimes, written as RFC 3339 UTC.
The docstrings of these classes and their fields become the schemas at /docs.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, overload

import msgspec

from tocsin.ingest.alerts.alert import Alert, Cause, Evidence, State, Suppression
from tocsin.ingest.alerts.maintenance import Maintenance
from tocsin.ingest.catalogue import Kind
from tocsin.ingest.outcome import Presence
from tocsin.ingest.presence import Connection, Freshness
from tocsin.ingest.rules.rule import Severity
from tocsin.ingest.views import DeviceView


def _one_of(words: Iterable[str]) -> msgspec.Meta:
    return msgspec.Meta(extra_json_schema={"enum": sorted(words)})


ConnectionWord = Annotated[str, _one_of(Connection)]
FreshnessWord = Annotated[str, _one_of(Freshness)]
KindWord = Annotated[str, _one_of(kind.name.lower() for kind in Kind)]


@overload
def time_of(at: float) -> datetime: ...
@overload
def time_of(at: float | None) -> datetime | None: ...
def time_of(at: float | None) -> datetime | None:
    """Seconds since the epoch as a UTC datetime of whole milliseconds."""
    return None if at is None else datetime.fromtimestamp(round(at, 3), UTC)


class Metric(msgspec.Struct, frozen=True):
    """The newest value of a metric, and its event time."""

    value: float | bool | str
    time: datetime
    unit: str | None
    kind: KindWord


class Rejected(msgspec.Struct, frozen=True):
    """The newest message of a device that could not be read."""

    at: datetime
    topic: str
    reason: str
    payload_preview: str


class Device(msgspec.Struct, frozen=True):
    """A device as it stands now. Its counters count since it was first seen.

    `position` is [latitude, longitude], the newest that can be true; `accuracy_m` is how exact it
    is said to be (0: nothing was said), `speed_kmh` that of the way to it, and `jumps_total` counts
    the positions that could not be. `clock_skew_s` is by how many seconds its clock is ahead of the
    server's, negative behind, null where it states no times; `clock_wrong`: by more than
    `ingest.clock_tolerance_s`. `profile` are the name and the fields that its profile states.
    """

    id: str
    connection: ConnectionWord
    connection_reason: str | None
    via: str | None
    freshness: FreshnessWord
    last_seen: datetime | None
    messages_total: int
    readings_total: int
    late_total: int
    duplicates_total: int
    rejected_total: int
    future_total: int
    metrics: dict[str, Metric]
    tags: dict[str, str]
    limits: dict[str, float]
    profile: dict[str, str | float]
    last_rejected: Rejected | None
    position: tuple[float, float] | None
    accuracy_m: float | None
    speed_kmh: float | None
    jumps_total: int
    clock_skew_s: float | None
    clock_wrong: bool


class PresenceView(msgspec.Struct, frozen=True):
    """A device on both axes of presence. The newest `revision` wins."""

    device: str
    connection: ConnectionWord
    connection_reason: str | None
    freshness: FreshnessWord
    via: str | None
    last_seen: datetime | None
    revision: int


class CommentView(msgspec.Struct, frozen=True):
    """What somebody, or a timer, did to an alert."""

    at: datetime
    by: str
    action: str
    note: str


class AlertView(msgspec.Struct, frozen=True):
    """One episode of one rule on one subject. The newest `revision` wins."""

    id: str
    rule: str
    subject: str
    device: str | None
    severity: Severity
    state: State
    active: bool
    acknowledged: bool
    latched: bool
    suppression: Suppression
    value: float | bool | None
    message: str
    began_at: datetime
    raised_at: datetime | None
    cleared_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    comments: list[CommentView]
    durable: bool
    revision: int
    shelved_until: datetime | None = None
    suppressed_by: str | None = None
    rings: int = 0
    flapping: bool = False


class EvidenceView(msgspec.Struct, frozen=True):
    """A reading that a rule saw."""

    value: float | bool | str
    time: datetime


class SeenView(msgspec.Struct, frozen=True):
    """What a rule saw: `readings` by metric, `windows` by the function as the rule writes it;
    `devices` are those of a group that counted, the first 100.
    """

    readings: dict[str, EvidenceView]
    windows: dict[str, float]
    devices: list[str]


class TransitionView(msgspec.Struct, frozen=True):
    """One change of an alert: when, by whom, by which event, why, and what the rule saw.

    `readings` are by metric, `windows` by the function as the rule writes it;
    `devices` are those of a group that counted, the first 100. What comes of a timer has what the
    rule saw at that moment, and in `started_by` what it saw when it turned last: the start of a
    delay, say. What comes of another alert has only the latter, as what it saw; what a person did
    has none.
    """

    at: datetime
    by: str
    event: str
    note: str
    state: State
    latched: bool
    suppression: Suppression
    revision: int
    readings: dict[str, EvidenceView]
    windows: dict[str, float]
    devices: list[str]
    shelved_until: datetime | None = None
    suppressed_by: str | None = None
    started_by: SeenView | None = None


class MaintenanceView(msgspec.Struct, frozen=True):
    """A time in which alarms of the devices and rules that match are out of service."""

    id: str
    devices: str
    rules: str
    start: datetime
    end: datetime
    by: str
    note: str


class Mqtt(msgspec.Struct, frozen=True):
    """Where devices connect."""

    host: str
    port: int


class Hello(msgspec.Struct, frozen=True):
    """The first event of a stream. `reset`: forget what you know, all of it follows."""

    stream: str
    boot: str
    reset: bool
    now: datetime
    version: str
    mqtt: Mqtt
    demo: bool


class DevicesEvent(msgspec.Struct, frozen=True):
    """Devices to add or replace. `complete`: with these you know all there are."""

    devices: list[Device]
    complete: bool


def view_device(device: DeviceView) -> Device:
    rejected, skew_s = device.last_rejected, device.clock.ahead_s
    # Most metrics came in one message: a time is made once.
    at, time = 0.0, time_of(0.0)
    metrics: dict[str, Metric] = {}
    for name, metric in device.metrics.items():
        if metric.time != at:
            at, time = metric.time, time_of(metric.time)
        metrics[name] = Metric(metric.value, time, metric.unit, metric.kind)
    return Device(
        id=device.id,
        connection=device.connection,
        connection_reason=device.connection_reason,
        via=device.via,
        freshness=device.freshness,
        last_seen=time_of(device.last_seen),
        messages_total=device.messages_total,
        readings_total=device.readings_total,
        late_total=device.late_total,
        duplicates_total=device.duplicates_total,
        rejected_total=device.rejected_total,
        future_total=device.future_total,
        metrics=metrics,
        tags=dict(device.tags),
        limits=dict(device.limits),
        profile=dict(device.profile),
        last_rejected=rejected
        and Rejected(
            time_of(rejected.at), rejected.topic, rejected.reason, rejected.payload_preview
        ),
        position=device.position,
        accuracy_m=device.accuracy_m,
        speed_kmh=device.speed_kmh,
        jumps_total=device.jumps_total,
        clock_skew_s=None if skew_s is None else round(skew_s, 3),
        clock_wrong=device.clock.wrong,
    )


def view_presence(presence: Presence) -> PresenceView:
    return PresenceView(
        device=presence.device,
        connection=presence.connection,
        connection_reason=presence.connection_reason,
        freshness=presence.freshness,
        via=presence.via,
        last_seen=time_of(presence.last_seen),
        revision=presence.revision,
    )


def view_alert(alert: Alert) -> AlertView:
    return AlertView(
        id=alert.id,
        rule=alert.rule,
        subject=alert.subject,
        device=alert.device,
        severity=Severity(alert.severity),
        state=alert.state,
        active=alert.active,
        acknowledged=alert.acknowledged,
        latched=alert.latched,
        suppression=alert.suppression,
        value=alert.value,
        message=alert.message,
        began_at=time_of(alert.began_at),
        raised_at=time_of(alert.raised_at),
        cleared_at=time_of(alert.cleared_at),
        acknowledged_by=alert.acknowledged_by,
        acknowledged_at=time_of(alert.acknowledged_at),
        comments=[CommentView(time_of(c.at), c.by, c.action, c.note) for c in alert.comments],
        durable=alert.durable,
        revision=alert.revision,
        shelved_until=time_of(alert.shelved_until),
        suppressed_by=alert.suppressed_by,
        rings=alert.rings,
        flapping=alert.flapping,
    )


def view_transition(alert: Alert, at: float) -> TransitionView:
    """The newest transition of an alert; `at` is engine time."""
    cause = alert.cause or Cause(at, "tocsin", "")
    seen = _view_seen(cause.evidence)
    return TransitionView(
        at=time_of(cause.at),
        by=cause.by,
        event=cause.event,
        note=cause.note,
        state=alert.state,
        latched=alert.latched,
        suppression=alert.suppression,
        revision=alert.revision,
        readings=seen.readings,
        windows=seen.windows,
        devices=seen.devices,
        shelved_until=time_of(alert.shelved_until),
        suppressed_by=alert.suppressed_by,
        started_by=None if cause.started_by is None else _view_seen(cause.started_by),
    )


def _view_seen(evidence: Evidence) -> SeenView:
    return SeenView(
        readings={
            name: EvidenceView(value, time_of(at))
            for name, (value, at) in evidence.readings.items()
        },
        windows=evidence.windows,
        devices=list(evidence.devices),
    )


def view_maintenance(plan: Maintenance) -> MaintenanceView:
    return MaintenanceView(
        id=plan.id,
        devices=plan.devices,
        rules=plan.rules,
        start=time_of(plan.start),
        end=time_of(plan.end),
        by=plan.by,
        note=plan.note,
    )
