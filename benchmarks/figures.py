"""What a table says of a server's trials: each figure as a cell, a dash where it is not given."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.charts import number

Report = Mapping[str, Any]


def usable(series: Report, server: str) -> list[Report]:
    runs = series["servers"].get(server, {}).get("runs", [])
    return [run for run in runs if run and not run["refused"]]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def rounds(count: int) -> str:
    return f"{count} rounds" if count > 1 else "1 round"


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), min(values), max(values)


def _spread(runs: Sequence[Report], figure: str) -> str:
    values = [run[figure] for run in runs if run.get(figure) is not None]
    if not values:
        return "–"
    mid, low, high = middle(values)
    return number(mid) + (f" [{number(low)} – {number(high)}]" if len(values) > 1 else "")


def _by_process(runs: Sequence[Report]) -> str:
    names = runs[0]["cpu_us_by_process"]
    if len(names) < 2:
        return "–"
    parts = (median(run["cpu_us_by_process"][name] for run in runs) for name in names)
    return ", ".join(f"{name} {number(part)}" for name, part in zip(names, parts, strict=True))


def ratio(series: Report, name: str) -> str:
    ratios = series["ratios"].get(name, {}).get("cpu_us")
    return f"{median(ratios):.2f} ({rounds(len(ratios))})" if ratios else "–"


def _viewers(runs: Sequence[Report]) -> list[Report]:
    return [run["seen"]["viewer"] for run in runs if "viewer" in run["seen"]]


def _latency(runs: Sequence[Report]) -> str:
    return percentile_cell([run["latency_ms"] for run in runs])


def _seen(runs: Sequence[Report], key: str) -> str:
    return percentile_cell([viewer[key] for viewer in _viewers(runs)])


def percentile_cell(every: Sequence[Report]) -> str:
    """Medians over the runs of each percentile that all of them support."""
    every = [figures for figures in every if figures["count"]]
    if not every:
        return "–"
    names = [name for name in every[0] if name != "count" and all(name in f for f in every)]
    parts = [f"{name} {number(median(f[name] for f in every))}" for name in names]
    return f"{', '.join(parts)} (n {sum(f['count'] for f in every):,})"


def _late(runs: Sequence[Report]) -> str:
    viewers = _viewers(runs)
    return f"{sum(viewer['over_250ms'] for viewer in viewers):,}" if viewers else "–"


def _cut(runs: Sequence[Report]) -> str:
    """How often a viewer that reads all it is given was cut off, where any was."""
    times = sum(viewer.get("cut", 0) for viewer in _viewers(runs))
    return f"{times:,}" if times else "–"


def _alerts(runs: Sequence[Report]) -> str:
    counts = [viewer["alerts"] for viewer in _viewers(runs)]
    return f"{median(counts):,.0f}" if any(counts) else "–"


def _deliveries(runs: Sequence[Report]) -> str:
    seen = [run["seen"]["subscribers"] for run in runs if "subscribers" in run["seen"]]
    return f"{median(one['deliveries'] for one in seen):,.0f}" if seen else "–"


def _pings(runs: Sequence[Report]) -> str:
    return percentile_cell(
        [run["seen"]["ping"]["took_ms"] for run in runs if "ping" in run["seen"]]
    )


def _sum(runs: Sequence[Report], figure: str) -> str:
    counts = [run[figure] for run in runs if run.get(figure) is not None]
    return f"{sum(counts):,}" if counts else "–"


def _sent(runs: Sequence[Report]) -> str:
    return f"{sum(run['sent'] for run in runs):,}"


FIGURES: dict[str, Callable[[Sequence[Report]], str]] = {
    "trials": lambda runs: f"{len(runs)}",
    "CPU per message, µs": lambda runs: _spread(runs, "cpu_us"),
    "of it by process": _by_process,
    "messages a second": lambda runs: _spread(runs, "rate"),
    "publish → ack, ms": _latency,
    "publish → viewer, ms": lambda runs: _seen(runs, "latency_ms"),
    "later than 250 ms": _late,
    "viewers cut off": _cut,
    "publish → alert, ms": lambda runs: _seen(runs, "alert_latency_ms"),
    "alerts": _alerts,
    "deliveries": _deliveries,
    "PINGREQ → PINGRESP, ms": _pings,
    "messages sent": _sent,
    "lost": lambda runs: _sum(runs, "lost"),
    "duplicates": lambda runs: _sum(runs, "duplicates"),
    "memory, MiB": lambda runs: _spread(runs, "resident_mib"),
    "at most, without workers, MiB": lambda runs: _spread(runs, "most_resident_mib"),
    "per connection, KiB": lambda runs: _spread(runs, "connection_kib"),
    "CPU per connect, µs": lambda runs: _spread(runs, "connect_cpu_us"),
    "generator, part of a core": lambda runs: _spread(runs, "generator_cpu"),
    "machine busy": lambda runs: _spread(runs, "machine_busy"),
    "steal": lambda runs: _spread(runs, "steal"),
}
"""By its name, in the order of the table."""
