"""The table of what broker and memory must not cost, and of neighbours that must not disturb."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.charts import number
from benchmarks.isolation import LAG, NEIGHBOURS, QUIET
from benchmarks.product import PLANT

Report = Mapping[str, Any]
Row = list[str]

OURS = "tocsin"
MOST_LAG_MS = 5.0
MOST_ACK_RATIO = 2.0


def cost_rows(by_name: Mapping[str, Report]) -> list[Row]:
    """What, target, measured, reached or missed; of the workloads that were run."""
    rows: list[Row] = []

    def ratio(name: str, peer: str, most: float, what: str) -> None:
        if name in by_name:
            values: list[float] = by_name[name]["ratios"].get(peer, {}).get("cpu_us") or []
            target = f"at most {number(most)} × {peer}'s"
            rows.append(_row(what, target, values, most, " ×"))

    def figure(name: str, key: str, bound: float, what: str, unit: str, *, least: bool) -> None:
        if name in by_name:
            values = [run[key] for run in usable(by_name[name]) if run[key] is not None]
            target = f"at {'least' if least else 'most'} {number(bound)} {unit}"
            rows.append(_row(what, target, values, bound, f" {unit}", least=least))

    slow = "CPU per message, 1,000 connections, one message a segment, QoS"
    ratio("slow-qos0", "mosquitto", 1.5, f"{slow} 0")
    ratio("slow-qos0", "amqtt", 0.1, f"{slow} 0")
    ratio("slow-qos1", "mosquitto", 2.0, f"{slow} 1, on disk before each acknowledgement")
    fast = "10 connections, 64 messages a segment, QoS"
    figure("fast-qos0", "rate", 500_000, f"{fast} 0", "messages a second", least=True)
    figure("fast-qos1", "rate", 200_000, f"{fast} 1", "messages a second", least=True)
    ratio("fan-out-1000", "mosquitto", 2.0, "CPU per delivery, one publisher, 1,000 subscribers")
    memory = "memory of an idle connection, 10,000 of them"
    figure("many-qos0", "connection_kib", 8, memory, "KiB", least=False)
    memory = "most memory of the server (150 MB), 1,000 simulated devices and rules, five minutes"
    figure(PLANT, "most_resident_mib", 143, memory, "MiB", least=False)
    if LAG in by_name:
        lags = _pings(by_name[LAG])
        what = "event-loop lag (PINGREQ → PINGRESP) p99 at 20,000 messages a second"
        rows.append(_row(what, "at most 5 ms", lags, MOST_LAG_MS, " ms"))
    return rows + _isolation_rows(by_name)


def _isolation_rows(by_name: Mapping[str, Report]) -> list[Row]:
    rows: list[Row] = []
    quiet = _acks(by_name[QUIET]) if QUIET in by_name else []
    for what, title in NEIGHBOURS.items():
        series = by_name.get(f"isolation-{what}")
        if series is None:
            continue
        lags, acks = _pings(series), _acks(series)
        rows.append(
            _row(f"event-loop lag p99 while {title}", "at most 5 ms", lags, MOST_LAG_MS, " ms")
        )  # fmt: skip
        ratios = [median(acks) / median(quiet)] if acks and quiet else []
        target = "at most 2 × its quiet value"
        what = f"publish → ack p99 while {title}"
        rows.append(_row(what, target, ratios, MOST_ACK_RATIO, " ×"))
    return rows


def usable(series: Report) -> list[Report]:
    runs = series["servers"].get(OURS, {}).get("runs", [])
    return [run for run in runs if run and not run["refused"]]


def _pings(series: Report) -> list[float]:
    """p99 of each trial."""
    seen = [run["seen"]["ping"]["took_ms"] for run in usable(series) if "ping" in run["seen"]]
    # Of less than a thousand there is no p99; the largest is no less.
    return [one.get("p99", one["max"]) for one in seen if one["count"]]


def _acks(series: Report) -> list[float]:
    latencies = [run["latency_ms"] for run in usable(series)]
    return [one["p99"] for one in latencies if "p99" in one]


def _row(
    what: str,
    target: str,
    values: Sequence[float],
    bound: float,
    unit: str,
    *,
    least: bool = False,
) -> Row:
    if not values:
        return [what, target, "–", "no figure"]
    value = median(values)
    reached = value >= bound if least else value <= bound
    rounds = f" ({len(values)} rounds)" if len(values) > 1 else ""
    return [what, target, f"{number(value)}{unit}{rounds}", "reached" if reached else "missed"]
