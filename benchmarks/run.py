"""All benchmarks of servers in one go: `scripts/bench [--quick] [--only NAME]…`.

Writes benchmarks.json into the folder docs, and benchmarks.md with its charts from it. With
`--engine` it measures the engine alone instead, into engine.json, which the page shows too. With
`--page` it only writes the page anew from what is there.
"""

import argparse
import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import broker, engine, isolation, peers, product
from benchmarks.measure import machine
from benchmarks.page import OURS, write_page
from benchmarks.peers import Missing, Server
from benchmarks.peers.installed import install
from benchmarks.series import Series, keeps_up, measure
from benchmarks.trial import Build, Workload

DOCS = Path(__file__).parents[1] / "docs"
ROUNDS = 5
"""Rounds of the comparisons that the targets are about."""
FEWER_ROUNDS = 3
"""Rounds of the other comparisons that a short run makes too. Everything else runs once."""
COMPARED_OFTEN = ("tocsin", "mosquitto", "mosquitto+paho")
"""Who takes part in all rounds; the others take part in the first."""


@dataclass(frozen=True, slots=True)
class Step:
    """A workload, against which servers, how often. `climbs`: a step of the ladder of loads."""

    workload: Workload
    builds: Mapping[str, Build]
    rounds: int = 1
    climbs: bool = False

    @property
    def rounds_by_server(self) -> dict[str, int]:
        return {name: self.rounds if name in COMPARED_OFTEN else 1 for name in self.builds}


def plan(quick: bool, rounds: int | None) -> list[Step]:
    most, fewer = (rounds or 1,) * 2 if quick else (rounds or ROUNDS, rounds or FEWER_ROUNDS)
    steps = [
        Step(workload, product.products(qos), most)
        for qos, workload in enumerate(product.headlines(quick))
    ]
    steps += [Step(workload, broker.BROKERS, fewer) for workload in broker.headlines(quick)]
    steps.append(Step(product.claim(quick), product.OURS))
    if quick:
        return steps
    steps += [Step(workload, product.OURS, climbs=True) for workload in product.ladder()]
    steps += [
        Step(workload, product.with_consumer(qos))
        for qos, workload in enumerate(product.saturation())
    ]
    steps.append(Step(product.storm(), product.with_consumer(1)))
    steps.append(Step(product.plant(), product.PLANTS))
    steps.append(Step(product.full_windows(), product.OURS))
    steps += [Step(workload, builds) for workload, builds in product.by_load()]
    steps += [Step(workload, builds) for workload, builds in product.sizes()]
    steps += [Step(workload, builds) for workload, builds in product.together()]
    steps += [Step(workload, broker.RELAYS) for workload in broker.large()]
    steps += [Step(workload, broker.BROKERS) for workload in broker.details()]
    steps.append(Step(broker.fan_out(), broker.RELAYS, fewer))
    steps.append(Step(isolation.lag(), isolation.OURS))
    steps += [Step(workload, isolation.OURS) for workload in isolation.isolation()]
    return steps


class Run:
    """State: what was measured so far, and the report made of it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._began = time.monotonic()
        self._series: list[Series] = []
        missing = install()
        self._servers, self._missing = _servers(missing)
        self._steps = [
            step
            for step in plan(args.quick, args.rounds)
            if not args.only or any(step.workload.name.startswith(name) for name in args.only)
        ]
        self._trials = sum(
            count
            for step in self._steps
            for name, count in step.rounds_by_server.items()
            if name in self._servers
        )
        self._done = 0
        self._complete = False

    def carry_out(self, keep: Callable[[dict[str, Any]], None]) -> None:
        """Runs all steps; `keep` gets the report after each, so that nothing measured is lost."""
        for missing in self._missing:
            _say(f"missing: {missing}")
        broken = False
        for step in self._steps:
            present = {name: b for name, b in step.builds.items() if name in self._servers}
            if step.climbs and broken:
                self._trials -= len(present)
                continue
            series = measure(step.workload, present, step.rounds_by_server, self._progress)
            self._series.append(series)
            broken |= step.climbs and _is_broken(series)
            keep(self.report())
        self._complete = not self._args.only
        keep(self.report())

    def report(self) -> dict[str, Any]:
        trials = [run for one in self._series for runs in one.runs.values() for run in runs if run]
        return {
            "at": datetime.now(UTC).isoformat(timespec="minutes"),
            "commit": _commit(),
            "quick": self._args.quick,
            "took_s": round(time.monotonic() - self._began),
            "complete": self._complete,
            "python": platform.python_version(),
            "machine": machine(),
            "others": round(median(run["others"] for run in trials), 3) if trials else 0.0,
            "servers": self._servers,
            "missing": self._missing,
            "series": [one.as_json(OURS) for one in self._series],
        }

    def _progress(self, line: str) -> None:
        self._done += 1
        passed = int(time.monotonic() - self._began)
        _say(f"[{self._done}/{self._trials}, {passed // 60}:{passed % 60:02}] {line}")


def _is_broken(series: Series) -> bool:
    """Whether Tocsin did not keep up; a trial that gave no figure says nothing about that."""
    offered = float(str(series.workload.load["rate"]))
    return any(not keeps_up(figures, offered) for figures in series.usable(OURS))


def main() -> int:
    args = _arguments()
    args.into.mkdir(parents=True, exist_ok=True)
    results, page = args.into / "benchmarks.json", args.into / "benchmarks.md"
    if args.page:
        if not results.exists():
            _say(f"{results} does not exist; expected the results of a run")
            return 2
        write_page(json.loads(results.read_text()), page)
        return 0
    if args.engine:
        (args.into / "engine.json").write_text(_json(_engine(args.quick)))
        if results.exists():
            write_page(json.loads(results.read_text()), page)
        return 0
    # So that whatever was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def keep(report: dict[str, Any]) -> None:
        results.write_text(_json(report))
        write_page(report, page)

    try:
        Run(args).carry_out(keep)
    except KeyboardInterrupt:
        _say("stopped; the page holds what was measured until then")
        return 130
    _say(f"wrote {results} and {page}")
    return 0


def _servers(problems: list[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Version and set-up of the servers that are here, and a line for each that is missing."""
    present: dict[str, dict[str, str]] = {}
    absent = list(problems)
    for kind in _kinds():
        try:
            present[kind.name] = {"version": kind.version(), "configuration": kind.configuration}
        except (Missing, OSError) as reason:
            absent.append(f"{kind.name}: {reason}")
    return present, absent


def _kinds() -> list[type[Server]]:
    return [
        peers.Tocsin,
        peers.Mosquitto,
        peers.MosquittoWithConsumer,
        peers.NodeRed,
        peers.Amqtt,
    ]


def _engine(quick: bool) -> dict[str, Any]:
    """The report of the engine alone."""
    began = time.monotonic()
    rows = [asdict(row) for row in engine.table(quick, _say)]
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "quick": quick,
        "took_s": round(time.monotonic() - began),
        "python": platform.python_version(),
        "machine": machine(),
        "rows": rows,
    }


def _json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=DOCS.parent, check=False)
    return found.stdout.strip() or "unknown"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the headlines once, a short claim")
    parser.add_argument("--only", action="append", help="workloads whose name begins so")
    parser.add_argument(
        "--rounds", type=int, help=f"rounds of the comparisons ({ROUNDS} and {FEWER_ROUNDS})"
    )
    parser.add_argument("--engine", action="store_true", help="the engine alone, and plain Python")
    parser.add_argument("--page", action="store_true", help="only write the page from the JSON")
    parser.add_argument(
        "--into", type=Path, default=DOCS, metavar="FOLDER", help="where to write (docs)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
