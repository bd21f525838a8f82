"""Every limit and every span of time of the pure core and of its shell: unit, default, why."""

from dataclasses import dataclass, field

from tocsin.devices.profile import Profile, ProfileTable
from tocsin.devices.tags import TagTable
from tocsin.ingest.site_time import zone_of


@dataclass(frozen=True, slots=True)
class Caps:
    """How much the server remembers. What is over a cap is refused and counted, never silently.

    devices: known devices. metrics_per_device: metrics of one device. series: device × metric
    over all devices. strings_per_series: distinct texts of one series; strings: distinct texts
    over all series (at most 256 bytes each). unclaimed_topics: topics nothing claims that are
    listed, the least recent out. rejections: devices whose last refused payload is kept, the
    least recent out. payload_preview_bytes and topic_preview: how much of one is kept.
    shapes: combinations of metrics whose series ids are cached, forgotten whole when full.
    recent_bytes: memory for telling repeated readings from new ones.
    """

    devices: int = 50_000
    metrics_per_device: int = 256
    series: int = 200_000
    strings_per_series: int = 256
    strings: int = 65_536
    unclaimed_topics: int = 10_000
    rejections: int = 1_000
    payload_preview_bytes: int = 4_096
    topic_preview: int = 256
    shapes: int = 262_144
    recent_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pipeline needs to know. Times are in seconds.

    profiles: the first that covers a device counts. tags: all tables that cover a device
    count. future_tolerance_s: how far an event time
    may be ahead of its arrival; device clocks drift, and a mere minute must not cost the order
    of readings. clock_tolerance_s: a device whose clock is further off than that is shown to have
    a wrong one. settles_s, settles_messages: a connection counts for a device once it is that
    old or has brought that many of its messages, so that a lone `mosquitto_pub` does not look
    like a device that went offline. default_interval_s: how often a device is expected until
    two gaps were seen. min_interval_s: messages closer than that are one report (a device that
    publishes each metric by itself). stale_after, silent_after: multiples of the expected
    interval. flap_rings, flap_within_s: an alarm that rings so often within so long flaps;
    flap_hold_s: from then on it must be clear for that long before it is over. timezone: IANA
    name of the zone in which rules read `hour()` and `weekday()`; UTC, so that a journal gives
    the same alerts on any machine.
    """

    caps: Caps = field(default_factory=Caps)
    profiles: tuple[Profile, ...] = ()
    tags: tuple[TagTable, ...] = ()
    future_tolerance_s: float = 300.0
    clock_tolerance_s: float = 30.0
    settles_s: float = 3.0
    settles_messages: int = 2
    default_interval_s: float = 20.0
    min_interval_s: float = 1.0
    stale_after: float = 3.0
    silent_after: float = 10.0
    flap_rings: int = 5
    flap_within_s: float = 600.0
    flap_hold_s: float = 300.0
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        zone_of(self.timezone)

    def profile_tables(self) -> list[ProfileTable]:
        """What the profiles state for rules to read; none if none does."""
        tables = [profile.table() for profile in self.profiles]
        return tables if any(table.limits or table.fields for table in tables) else []

    def profile_of(self, device: str) -> Profile:
        return next((p for p in self.profiles if p.covers(device)), _ANY)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The pace of the shell. Times in seconds."""

    checkpoint_s: float = 60.0
    """Between checkpoints. A restart replays at most this much; each makes one history file."""
    checkpoint_readings: int = 500_000
    """A checkpoint comes earlier when this many readings wait: about 18 MB."""
    unsaved_readings: int = 4_000_000
    """What may wait while history cannot be written (about 150 MB); then the oldest are dropped."""
    pace_s: float = 0.003
    """Batches follow each other at this distance at least: what comes sooner after one is gathered
    for the next. An idle server adds nothing; a busy one has larger batches, which cost a
    fraction per message (docs/decisions/0002-pace.md)."""
    turn_s: float = 0.003
    """What a batch may take of a turn of the event loop, in processor time: of a larger one the
    rest is judged in the next turns, and other clients are served in between. Measured as it runs,
    so a portion may take twice as long where readings suddenly cost more."""
    patience_s: float = 2.0
    """How long an alert's effects wait for its commit; then they go out marked not durable."""
    tick_s: float = 0.01
    """Timers due within this of each other are fired by one wake-up."""
    stall_s: float = 5.0
    """Timers this late mean that the process stood still: no device was silent meanwhile."""
    transitions_s: float = 1.0
    """Between writes of alert transitions to state.db."""
    maintenance_s: float = 300.0
    """Between runs of history's compaction, rollups and retention."""


_ANY = Profile()
