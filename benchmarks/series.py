"""A series of trials: servers in turns, medians, and ratios pair by pair."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, TypeGuard

from benchmarks.trial import Build, Figures, Workload, run

COMPARED = ("cpu_us", "rate", "connect_cpu_us", "connection_kib", "resident_mib")


@dataclass(slots=True)
class Series:
    """All trials of one workload. `runs` holds a server's trials in order; a broken one is None."""

    workload: Workload
    runs: dict[str, list[Figures | None]] = field(default_factory=dict[str, list[Figures | None]])
    problems: list[str] = field(default_factory=list[str])

    def median_of(self, server: str, figure: str) -> float | None:
        values = [run[figure] for run in self.usable(server) if run[figure] is not None]
        return median(values) if values else None

    def ratio(self, ours: str, peer: str, figure: str) -> float | None:
        """The median of `ours / peer` over the rounds in which both gave a figure."""
        pairs = zip(self.runs.get(ours, []), self.runs.get(peer, []), strict=False)
        ratios: list[float] = [
            one[figure] / other[figure]
            for one, other in pairs
            if _is_usable(one) and _is_usable(other) and other[figure]
        ]
        return median(ratios) if ratios else None

    def usable(self, server: str) -> list[Figures]:
        return [run for run in self.runs.get(server, []) if _is_usable(run)]

    def as_json(self, ours: str) -> dict[str, Any]:
        return {
            "workload": asdict(self.workload),
            "servers": {
                server: {
                    "median": {name: self.median_of(server, name) for name in COMPARED},
                    "runs": runs,
                }
                for server, runs in self.runs.items()
            },
            "ratios": {
                peer: {name: self.ratio(ours, peer, name) for name in ("cpu_us", "rate")}
                for peer in self.runs
                if peer != ours
            },
            "problems": self.problems,
        }


def measure(
    workload: Workload,
    servers: Mapping[str, Build],
    rounds: int,
    say: Callable[[str], None],
) -> Series:
    """Runs the servers in turns, in another order each round, so that no one is always first."""
    series = Series(workload, {name: [] for name in servers})
    for number in range(rounds):
        for name in _turned(list(servers), number):
            try:
                figures = run(servers[name], workload)
            except (RuntimeError, OSError) as error:
                series.problems.append(f"{name}, round {number + 1}: {error}")
                series.runs[name].append(None)
                say(f"{workload.name}: {name} gave no figure: {error}")
                continue
            series.runs[name].append(figures)
            if figures["refused"]:
                series.problems.append(f"{name}, round {number + 1}: {figures['refused']}")
            say(
                f"{workload.name} {number + 1}/{rounds} {name}: {figures['cpu_us']} µs,"
                f" {figures['rate']:,}/s{' REFUSED' if figures['refused'] else ''}"
            )
    return series


def _turned(names: Sequence[str], by: int) -> list[str]:
    by %= len(names)
    return [*names[by:], *names[:by]]


def _is_usable(run: Figures | None) -> TypeGuard[Figures]:
    return run is not None and run["refused"] is None
