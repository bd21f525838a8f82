"""The server in one object: what the page's top line, /api/status and /metrics say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from tocsin.dashboard.changes import Changes
from tocsin.dashboard.stream.latency import LatencyHistogram
from tocsin.dashboard.views import time_of
from tocsin.ingest.status import EngineStatus

SAMPLE_S = 1.0
"""Rates are differences over at least this long."""


class Latency(msgspec.Struct, frozen=True):
    """Arrival of a reading to the viewer's socket, since the start. `count` readings were
    written to viewers, `under_250ms` of them within that time."""

    count: int
    under_250ms: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class JournalState(msgspec.Struct, frozen=True):
    """`failing`: nothing can be written, so nothing is acknowledged; devices retry."""

    state: Literal["ok", "behind", "failing"]
    error: str | None
    pending_bytes: int
    last_commit_ms: float


class HistoryState(msgspec.Struct, frozen=True):
    """What is stored, and from when on."""

    bytes: int
    oldest: datetime | None


class Trouble(msgspec.Struct, frozen=True):
    """Background work that failed at its last try, and why. It is tried again."""

    work: str
    error: str


class Status(msgspec.Struct, frozen=True):
    """Totals count since the data folder was made; latency, `failures_total` (batches that could
    not be judged, a fault of the server) and `dropped_readings_total` (readings that will never
    be in history) since the start."""

    now: datetime
    messages_per_s: float
    readings_per_s: float
    messages_total: int
    readings_total: int
    devices: int
    series: int
    clocks_wrong: int
    clock_off_s: float
    rejected_total: int
    late_total: int
    duplicates_total: int
    viewers: int
    connections: int
    latency: Latency
    journal: JournalState
    history: HistoryState
    troubles: list[Trouble]
    failures_total: int
    dropped_readings_total: int
    stopping: bool
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    messages: int
    readings: int


class StatusBoard:
    """Owns the two newest samples of the totals, from which rates are made.

    `broker_report(n)` reports on the broker with at most n of its clients.
    """

    def __init__(
        self,
        engine: Callable[[], EngineStatus],
        broker_report: Callable[[int], Mapping[str, Any]],
        clock: Callable[[], float],
        changes: Callable[[], Changes],
    ) -> None:
        self.engine = engine
        self._changes = changes
        self.broker_report = broker_report
        self._clock = clock
        self._newest = self._before = self._sample()

    def sample_when_due(self, now: float) -> None:
        """Called whenever something arrives, so that a rate never spans an idle hour before it."""
        if now - self._newest.at >= SAMPLE_S:
            self._before, self._newest = self._newest, self._sample()

    def status(self, viewers: int, latency: LatencyHistogram, *, stopping: bool) -> Status:
        now = self._clock()
        self.sample_when_due(now)
        engine = self.engine()
        journal = engine.journal
        over_s = self._newest.at - self._before.at
        return Status(
            now=time_of(now),
            messages_per_s=_rate(self._newest.messages - self._before.messages, over_s),
            readings_per_s=_rate(self._newest.readings - self._before.readings, over_s),
            messages_total=engine.messages_total,
            readings_total=engine.readings_total,
            devices=engine.devices,
            series=engine.series,
            clocks_wrong=engine.clocks_wrong,
            clock_off_s=round(engine.clock_off_s, 3),
            rejected_total=engine.rejected_total,
            late_total=engine.late_total,
            duplicates_total=engine.duplicates_total,
            viewers=viewers,
            connections=self.broker_report(0)["totals"]["connected"],
            latency=Latency(
                count=latency.count,
                under_250ms=latency.under_promise,
                p50_ms=_ms(latency.quantile(0.5)),
                p99_ms=_ms(latency.quantile(0.99)),
                max_ms=_ms(latency.max_s),
            ),
            journal=JournalState(
                journal.state, journal.error, journal.pending_bytes, journal.last_commit_ms
            ),
            history=HistoryState(engine.history.bytes, time_of(engine.history.oldest)),
            troubles=[Trouble(work, error) for work, error in engine.troubles.items()],
            failures_total=engine.failures_total,
            dropped_readings_total=engine.dropped_readings_total,
            stopping=stopping,
            changes=self._changes(),
        )

    def _sample(self) -> _Sample:
        engine = self.engine()
        return _Sample(self._clock(), engine.messages_total, engine.readings_total)


def _rate(count: int, over_s: float) -> float:
    return round(count / over_s, 1) if over_s > 0 else 0.0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
