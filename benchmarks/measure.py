"""What the operating system accounts: processor time, memory, and what the hypervisor took."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Accounts at one moment: CPU seconds by name of a process tree, and the machine's ticks."""

    at: float
    cpu_s: dict[str, float]
    machine: tuple[int, ...]

    @classmethod
    def take(cls, roots: dict[str, int]) -> "Snapshot":
        """`roots` names process ids; each stands for itself and all its descendants."""
        cpu_s = {name: sum(map(cpu_seconds, tree(pid))) for name, pid in roots.items()}
        return cls(time.monotonic(), cpu_s, _machine_ticks())

    def cpu_since(self, earlier: "Snapshot") -> dict[str, float]:
        return {name: used - earlier.cpu_s[name] for name, used in self.cpu_s.items()}

    def steal_since(self, earlier: "Snapshot") -> float:
        """The part of the machine's time that the hypervisor gave to others, 0 to 1."""
        spent = [now - before for now, before in zip(self.machine, earlier.machine, strict=True)]
        return spent[7] / max(1, sum(spent[:8]))

    def others_since(self, earlier: "Snapshot", ours_s: float) -> float:
        """The part of the machine's time that went to processes that are not of the trial."""
        elapsed_s = (self.at - earlier.at) * (os.cpu_count() or 1)
        return max(0.0, self.busy_since(earlier) - ours_s / elapsed_s)

    def busy_since(self, earlier: "Snapshot") -> float:
        """The part of the machine's time that was not idle, 0 to 1."""
        spent = [now - before for now, before in zip(self.machine, earlier.machine, strict=True)]
        return 1.0 - (spent[3] + spent[4]) / max(1, sum(spent[:8]))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, and of its children that ended and were waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * TICK_S


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory (RSS) of the processes and their descendants, summed."""
    return sum(_resident_bytes(pid) for root in pids for pid in tree(root))


def most_resident_bytes(pids: Iterable[int]) -> int:
    """The most resident memory that each of the processes ever had, summed; no descendants."""
    return sum(_most_resident_bytes(pid) for pid in pids)


def prefer(pid: int) -> bool:
    """Has the process run as soon as it has something to do; whether the system allows it.

    By a real-time priority: a nice value counts only within a session where Linux groups the
    processes of each (sched_autogroup), and a trial has as many sessions as processes.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, PermissionError):
        return False
    return True


def tree(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, listing.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def machine() -> dict[str, str | int]:
    """The machine the figures belong to."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if "model name" in line), "unknown")
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processor": model,
        "cores": os.cpu_count() or 0,
        "memory_mib": int(memory) // 1024,
        "kernel": os.uname().release,
    }


def _resident_bytes(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _most_resident_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _machine_ticks() -> tuple[int, ...]:
    with Path("/proc/stat").open() as stat:
        return tuple(map(int, stat.readline().split()[1:]))
