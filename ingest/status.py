"""How the engine is doing, in one object: for the page, `/metrics`, `tocsin doctor` and tests."""

from dataclasses import dataclass

from tocsin.ingest.storage.history.history import HistoryStats
from tocsin.ingest.storage.journal import JournalStats


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the engine is doing. Totals count since the data folder was made, the `failures_total`
    and `dropped_readings_total` since the start."""

    messages_total: int
    readings_total: int
    late_total: int
    duplicates_total: int
    future_total: int
    rejected_total: int
    unclaimed_total: int
    devices: int
    series: int
    clocks_wrong: int
    """Devices whose clock is further off than is tolerated."""
    clock_off_s: float
    """By how much engine time is ahead of the machine's clock, which was set since the start."""
    failures_total: int
    """Faults of ours in the pipeline: each cost what it happened in, and nothing else."""
    unsaved_readings: int
    """Readings not yet in history."""
    dropped_readings_total: int
    """Readings that never will be, because history could not be written for too long."""
    troubles: dict[str, str]
    """Background work that failed at its last try, and why."""
    journal: JournalStats
    history: HistoryStats
