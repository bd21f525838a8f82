"""Every limit on users' functions: unit, meaning, default, why."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """Where functions are and what they may take. Times in seconds."""

    folder: Path | None = None
    """Its `*.py` files are loaded; None: `functions` beside the settings file, if there."""
    entry_points: bool = True
    """Load also what installed packages have in the entry point group `tocsin.functions`."""
    budget_s: float = 2.0
    """What one call may take; then the worker is killed. Functions run below the server's priority,
    so on a busy machine a call takes longer than its own work."""
    load_s: float = 30.0
    """What loading one file may take: large libraries need seconds."""
    queue_readings: int = 100_000
    """Readings that wait for the worker (about 3 MB). Policy: drop_oldest."""
    queue_alerts: int = 1_000
    """Transitions of alerts that wait for the worker. Policy: drop_oldest."""
    batch_readings: int = 10_000
    """Readings the worker gets at once: what is lost at most when it has to be killed."""
    memory_bytes: int = 1 << 30
    """Address space of the worker; beyond it an allocation fails (MemoryError)."""
    pause_s: float = 5.0
    """A function that hung or brought the worker down rests so long, twice as long each time."""
    longest_pause_s: float = 300.0
    log_lines: int = 200
    """Lines of what functions print and log that are kept; 500 characters each."""
