"""A series of trials: servers in turns, medians, and ratios pair by pair."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, TypeGuard

from benchmarks.trial import Build, Figures, Workload, run

COMPARED = ("cpu_us", "rate", "connect_cpu_us", "connection_kib", "resident_mib")
KEPT_UP = 0.95
"""The part of an offered load that must have come through by the end of the load."""
PROMISE_MS = 250.0


@dataclass(slots=True)
class Series:
    """All trials of one workload. `runs` holds a server's trials in order; a broken one is None."""

    workload: Workload
    runs: dict[str, list[Figures | None]] = field(default_factory=dict[str, list[Figures | None]])
    problems: list[str] = field(default_factory=list[str])

    def median_of(self, server: str, figure: str) -> float | None:
        values = [run[figure] for run in self.usable(server) if run[figure] is not None]
        return median(values) if values else None

    def ratios(self, ours: str, peer: str, figure: str) -> list[float]:
        """`ours / peer` of each round in which both gave a figure."""
        pairs = zip(self.runs.get(ours, []), self.runs.get(peer, []), strict=False)
        return [
            one[figure] / other[figure]
            for one, other in pairs
            if _is_usable(one) and _is_usable(other) and other[figure]
        ]

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
                peer: {name: self.ratios(ours, peer, name) for name in ("cpu_us", "rate")}
                for peer in self.runs
                if peer != ours
            },
            "problems": self.problems,
        }


def measure(
    workload: Workload,
    servers: Mapping[str, Build],
    rounds: Mapping[str, int],
    say: Callable[[str], None],
) -> Series:
    """Runs the servers in turns, in another order each round, so that no one is always first.

    A server takes part in the first of the rounds, as many as it is given. A trial that fails is
    told in `problems`; it ends neither the series nor the run.
    """
    series = Series(workload, {name: [] for name in servers})
    for number in range(max((rounds[name] for name in servers), default=0)):
        taking_part = [name for name in servers if number < rounds[name]]
        for name in _turned(taking_part, number):
            what = f"{workload.name} {number + 1}/{rounds[name]} {name}"
            try:
                figures = run(servers[name], workload)
            except Exception as error:
                reason = str(error) or repr(error)
                series.problems.append(f"{name}, round {number + 1}: {reason}")
                series.runs[name].append(None)
                say(f"{what}: FAILED: {reason}")
                continue
            series.runs[name].append(figures)
            refused = figures["refused"]
            if refused:
                series.problems.append(f"{name}, round {number + 1}: {refused}")
            say(
                f"{what}: {figures['cpu_us']} µs a message, {figures['rate']:,}/s"
                f"{f', REFUSED: {refused}' if refused else ''}"
            )
    return series


def keeps_up(figures: Mapping[str, Any], offered: float) -> bool:
    """Nothing lost, all through when the load ends, and 99 % at the viewer within 250 ms."""
    late = figures["seen"]["viewer"]["latency_ms"].get("p99", float("inf"))
    return not figures["lost"] and figures["rate"] > KEPT_UP * offered and late <= PROMISE_MS


def _turned(names: Sequence[str], by: int) -> list[str]:
    by %= len(names)
    return [*names[by:], *names[:by]]


def _is_usable(run: Figures | None) -> TypeGuard[Figures]:
    return run is not None and run["refused"] is None
