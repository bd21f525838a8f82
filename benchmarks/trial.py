"""One trial: a fresh server, its clients, a load, and what the operating system accounted."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import Snapshot, most_resident_bytes, prefer, resident_bytes
from benchmarks.peers import Server
from tocsin.simulators.bench.child import Child

QUIET_S = 0.5
"""Before the load, for what the connections left to do."""
SETTLE_S = 1.0
"""After the load, so that what the server defers is paid for inside the figure."""
ARRIVAL_S = 15.0
"""How long the part behind a broker may take for what the broker has taken in."""
ANSWER_S = 60.0
FEWEST_CONNECTIONS = 1000
MOST_STEAL = 0.02
MOST_GENERATOR_CPU = 0.9
MOST_LATENESS_MS = 20.0
"""Lateness counts as latency, so of a promised 250 ms no more may be the harness's."""
INSTRUMENTS = ("viewer", "ping")
"""Watchers that measure. They and the generator of an open loop stand for other machines, so they
wait for no server where the operating system allows it."""

Figures = dict[str, Any]
Build = Callable[[], Server]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is measured. `load` holds options of `program`, `subscribers` of that program."""

    name: str
    title: str
    load: dict[str, object]
    program: str = "benchmarks.load"
    """What plays the devices."""
    viewers: int = 0
    subscribers: dict[str, object] = field(default_factory=dict[str, object])
    neighbours: tuple[str, ...] = ()
    """Who is there besides, as benchmarks.neighbours names them."""
    slow_viewers: int = 0
    slow_subscribers: int = 0
    queries: bool = False
    """Whether charts and backtests are asked for all the time."""
    figure: str = "cpu_us"
    """The figure that is compared: `cpu_us` or `rate`."""
    group: str = ""
    """Workloads of one group are rows of one table, and points of one chart."""
    size: float = 0.0
    """Where the workload stands in its group."""


def run(build: Build, workload: Workload) -> Figures:
    """Figures of one trial. `refused` names what spoils them, or is None."""
    with ExitStack() as stack:
        server = stack.enter_context(build())
        pids = server.pids

        def child(module: str, **options: object) -> Child:
            return stack.enter_context(Child(module, **options))

        watchers = _watchers(server, workload, child)
        idle_bytes, before_connect = resident_bytes(pids.values()), Snapshot.take(pids)
        load = child(workload.program, port=server.port, **workload.load)
        instruments = [watchers[name] for name in INSTRUMENTS if name in watchers]
        if "rate" in workload.load:
            instruments.append(load)
        preferred = all(prefer(instrument.pid) for instrument in instruments)
        connect_s = load.receive("connected", ANSWER_S)["connect_s"]
        connected = Snapshot.take(pids)
        grown_bytes = resident_bytes(pids.values()) - idle_bytes
        load.ask("ready", ANSWER_S)
        time.sleep(QUIET_S)
        for watcher in watchers.values():
            watcher.ask("seen")
        taken_in = _at_rest(server)
        # The harness itself stands for all processes of the trial, living or ended.
        roots = {**pids, "": os.getpid()}
        before = Snapshot.take(roots)
        seconds = float(str(workload.load.get("seconds", 0.0)))
        result = load.ask("result", seconds + ANSWER_S)
        received, waited_s = _arrived(server, taken_in, result["sent"])
        time.sleep(SETTLE_S)
        after = Snapshot.take(roots)
        cpu_s = after.cpu_since(before)
        ours_s = cpu_s.pop("")
        steal = after.steal_since(before)
        elapsed_s = result["elapsed_s"] + waited_s
        seen = {name: watcher.ask("seen") for name, watcher in watchers.items()}
        return {
            **_costs(cpu_s, result["sent"]),
            **_connections(workload, connected.cpu_since(before_connect), grown_bytes),
            "connect_s": connect_s,
            "resident_mib": resident_bytes(pids.values()) / 2**20,
            "most_resident_mib": most_resident_bytes(pids.values()) / 2**20,
            "rate": round((result["sent"] if received is None else received) / elapsed_s),
            "sent": result["sent"],
            **accounts(workload, result["sent"], received, seen),
            "behind_s": round(waited_s, 2),
            "latency_ms": result["latency_ms"],
            "lateness_ms": result["lateness_ms"],
            "generator_cpu": result["generator_cpu"],
            "preferred": preferred,
            "steal": round(steal, 4),
            "machine_busy": round(after.busy_since(before), 3),
            "others": round(after.others_since(before, ours_s), 3),
            "seen": seen,
            "refused": _spoiled(workload, result, steal),
        }


def _watchers(server: Server, workload: Workload, child: Callable[..., Child]) -> dict[str, Child]:
    """Everyone besides the devices, ready, by name: who reads, who hardly reads, who asks."""
    started: dict[str, Child] = {}
    if workload.viewers or workload.slow_viewers:
        url = server.stream_url
        if url is None:
            raise ValueError(f"{server.name} has no stream; expected a server with viewers")
        viewer = "tocsin.simulators.bench.viewer"
        if workload.slow_viewers:
            started["slow viewer"] = child(viewer, url=url, count=workload.slow_viewers, slow=True)
        if workload.viewers:
            started["viewer"] = child(viewer, url=url, count=workload.viewers)
    subscribers = "benchmarks.subscribers"
    if workload.slow_subscribers:
        count = workload.slow_subscribers
        started["slow subscriber"] = child(subscribers, port=server.port, count=count, slow=True)
    if workload.subscribers:
        started["subscribers"] = child(subscribers, port=server.port, **workload.subscribers)
    for what in workload.neighbours:
        started[what] = child("benchmarks.neighbours", port=server.port, what=what)
    if workload.queries:
        address = f"127.0.0.1:{server.http_port}"
        devices = workload.load["connections"]
        started["queries"] = child("benchmarks.queries", http=address, devices=devices)
    for watcher in started.values():
        watcher.receive("ready", ANSWER_S)
    return started


def _at_rest(server: Server) -> int | None:
    """Messages taken in by the part behind the broker, when no more come: what it acknowledged
    it may still be busy with. None where the server does not count.
    """
    began, before = time.monotonic(), server.received()
    while before is not None and time.monotonic() - began < ARRIVAL_S:
        time.sleep(0.1)
        if (now := server.received()) == before:
            break
        before = now
    return before


def _arrived(server: Server, before: int | None, sent: int) -> tuple[int | None, float]:
    """Messages the part behind the broker took in, and how long that took after the load ended.

    Waits until it has them all, or a while. None where the server does not count.
    """
    began = time.monotonic()
    while True:
        now, waited_s = server.received(), time.monotonic() - began
        if now is None or before is None:
            return None, 0.0
        if now - before >= sent or waited_s > ARRIVAL_S:
            return now - before, waited_s
        time.sleep(0.05)


def accounts(
    workload: Workload, sent: int, received: int | None, seen: Mapping[str, Any]
) -> Figures:
    """What was lost and what came twice: at the subscribers of a fan-out, else at the part behind
    the broker; None where nobody counts."""
    if "subscribers" in seen:
        received = seen["subscribers"]["deliveries"]
        sent *= int(str(workload.subscribers["count"]))
    if received is None:
        return {"lost": None, "duplicates": None}
    return {"lost": max(0, sent - received), "duplicates": max(0, received - sent)}


def _costs(cpu_s: dict[str, float], messages: int) -> Figures:
    """Microseconds of processor time per message, in all and by process."""
    by_process = {name: round(used * 1e6 / messages, 2) for name, used in cpu_s.items()}
    return {"cpu_us": round(sum(by_process.values()), 2), "cpu_us_by_process": by_process}


def _connections(workload: Workload, cpu_s: dict[str, float], grown_bytes: int) -> Figures:
    """What a connection costs; None where there are too few to tell."""
    connections = workload.load.get("connections", 0)
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
    if result["generator_cpu"] > MOST_GENERATOR_CPU:
        return (
            f"the load generator was busy {result['generator_cpu']:.0%} of the time,"
            f" at most {MOST_GENERATOR_CPU:.0%} is allowed"
        )
    lateness = result["lateness_ms"].get("p99", 0.0)
    if lateness > MOST_LATENESS_MS:
        return (
            f"the load generator was late by {lateness:.0f} ms (p99),"
            f" at most {MOST_LATENESS_MS:.0f} ms is allowed"
        )
    return None
