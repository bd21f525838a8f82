"""One trial: a fresh server, its clients, a load, and what the operating system accounted."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.child import Child
from benchmarks.measure import Snapshot, resident_bytes
from benchmarks.peers import Server

SETTLE_S = 1.0
"""Quiet before and after the load, so that what the server defers is paid for inside the figure."""
ARRIVAL_S = 10.0
FEWEST_CONNECTIONS = 1000
MOST_STEAL = 0.02
MOST_GENERATOR_CPU = 0.9
MOST_LATENESS_MS = 20.0

Figures = dict[str, Any]
Build = Callable[[], Server]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is measured. `load` holds options of benchmarks.load, `subscribers` of that program."""

    name: str
    title: str
    load: dict[str, object]
    viewers: int = 0
    subscribers: dict[str, object] = field(default_factory=dict[str, object])
    slow_viewers: int = 0
    slow_subscribers: int = 0
    figure: str = "cpu_us"
    """The figure that is compared: `cpu_us` or `rate`."""


def run(build: Build, workload: Workload) -> Figures:
    """Figures of one trial. `refused` names what spoils them, or is None."""
    with ExitStack() as stack:
        server = stack.enter_context(build())
        pids = server.pids

        def child(module: str, **options: object) -> Child:
            started = stack.enter_context(Child(module, **options))
            if module != "benchmarks.load":
                started.receive("ready")
            return started

        viewers = _viewers(server, workload, child)
        watching = (
            child("benchmarks.subscribers", port=server.port, **workload.subscribers)
            if workload.subscribers
            else None
        )
        if workload.slow_subscribers:
            count = workload.slow_subscribers
            child("benchmarks.subscribers", port=server.port, count=count, slow=True)
        time.sleep(SETTLE_S)
        idle_bytes, before_connect = resident_bytes(pids.values()), Snapshot.take(pids)
        load = child("benchmarks.load", port=server.port, **workload.load)
        connect_s = load.receive("connected")["connect_s"]
        connected = Snapshot.take(pids)
        grown_bytes = resident_bytes(pids.values()) - idle_bytes
        load.ask("ready")
        time.sleep(SETTLE_S)
        for watcher in (*viewers, *filter(None, (watching,))):
            watcher.ask("seen")
        taken_in = server.received()
        before = Snapshot.take(pids)
        result = load.ask("result")
        received = _arrived(server, taken_in, result["sent"])
        time.sleep(SETTLE_S)
        after = Snapshot.take(pids)
        return {
            **_costs(after.cpu_since(before), result["sent"]),
            **_connections(workload, connected.cpu_since(before_connect), grown_bytes),
            "connect_s": connect_s,
            "resident_mib": resident_bytes(pids.values()) / 2**20,
            "rate": result["messages_per_s"],
            "sent": result["sent"],
            "lost": None if received is None else result["sent"] - received,
            "latency_ms": result["latency_ms"],
            "lateness_ms": result["lateness_ms"],
            "generator_cpu": result["generator_cpu"],
            "steal": round(after.steal_since(before), 4),
            "machine_busy": round(after.busy_since(before), 3),
            "viewers": [viewer.ask("seen") for viewer in viewers],
            "subscribers": watching.ask("seen") if watching else None,
            "refused": _spoiled(workload, result, after.steal_since(before)),
        }


def _viewers(server: Server, workload: Workload, child: Callable[..., Child]) -> list[Child]:
    if workload.viewers and server.stream_url is None:
        raise ValueError(f"{server.name} has no stream; expected a server with viewers")
    for _ in range(workload.slow_viewers):
        child("benchmarks.viewer", url=server.stream_url, slow=True)
    return [child("benchmarks.viewer", url=server.stream_url) for _ in range(workload.viewers)]


def _arrived(server: Server, before: int | None, sent: int) -> int | None:
    """Messages the part behind the broker took in; waits until it has them all, or a while."""
    deadline = time.monotonic() + ARRIVAL_S
    while True:
        now = server.received()
        if now is None or before is None:
            return None
        if now - before >= sent or time.monotonic() > deadline:
            return now - before
        time.sleep(0.2)


def _costs(cpu_s: dict[str, float], messages: int) -> Figures:
    """Microseconds of processor time per message, in all and by process."""
    by_process = {name: round(used * 1e6 / messages, 2) for name, used in cpu_s.items()}
    return {"cpu_us": round(sum(by_process.values()), 2), "cpu_us_by_process": by_process}


def _connections(workload: Workload, cpu_s: dict[str, float], grown_bytes: int) -> Figures:
    """What a connection costs; None where there are too few to tell."""
    connections = workload.load["connections"]
    assert isinstance(connections, int)
    if connections < FEWEST_CONNECTIONS:
        return {"connect_cpu_us": None, "connection_kib": None}
    return {
        "connect_cpu_us": round(sum(cpu_s.values()) * 1e6 / connections, 1),
        "connection_kib": round(grown_bytes / 1024 / connections, 2),
    }


def _spoiled(workload: Workload, result: dict[str, Any], steal: float) -> str | None:
    """Why these figures must not be used, or None."""
    if steal > MOST_STEAL:
        return f"steal {steal:.1%}, at most {MOST_STEAL:.0%} is allowed"
    if result["generator_cpu"] > MOST_GENERATOR_CPU and workload.figure == "rate":
        return f"the load generator was busy {result['generator_cpu']:.0%} of the time"
    lateness = result["lateness_ms"].get("p99", 0.0)
    if lateness > MOST_LATENESS_MS:
        return f"the load generator was late by {lateness:.0f} ms (p99)"
    return None
