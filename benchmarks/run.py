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
import textwrap
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

from benchmarks import engine, peers
from benchmarks.measure import machine
from benchmarks.page import write_page
from benchmarks.peers import Missing, Server
from benchmarks.peers.installed import install
from benchmarks.plan import ROUNDS, Step, plan
from benchmarks.series import Series, keeps_up, measure
from benchmarks.targets import OURS

DESCRIPTION = """\
Measures Tocsin beside Mosquitto, Mosquitto with a plain paho-mqtt consumer, Node-RED and amqtt, in
turns on this machine, and loads 127.0.0.1 alone. Writes benchmarks.json into the folder docs after
each workload, and benchmarks.md with its charts from it. It takes a quarter of an hour, with --soak
eight minutes more. A figure to quote comes from the whole, on a machine that does nothing else.
Peers that are missing are installed beside the benchmarks, or reported.
"""
DOCS = Path(__file__).parents[1] / "docs"

KINDS: tuple[type[Server], ...] = (
    peers.Tocsin,
    peers.Mosquitto,
    peers.MosquittoWithConsumer,
    peers.NodeRed,
    peers.Amqtt,
)


class Run:
    """State: what was measured so far, and the report made of it."""

    def __init__(self, args: argparse.Namespace, steps: Sequence[Step]) -> None:
        self._args = args
        self._began = time.monotonic()
        self._series: list[Series] = []
        self._steps = steps
        needed = {name for step in steps for name in step.builds}
        self._servers, self._missing = _servers(needed, install(needed))
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
    try:
        steps = plan(args.quick, args.rounds, args.only or (), soak=args.soak)
    except ValueError as error:
        _say(f"scripts/bench: {error}")
        return 2
    # So that whatever was started is ended on the way out.
    signal.signal(signal.SIGTERM, _end)

    def keep(report: dict[str, Any]) -> None:
        results.write_text(_json(report))
        write_page(report, page)

    try:
        Run(args, steps).carry_out(keep)
    except KeyboardInterrupt:
        _say("stopped; the page holds what was measured until then")
        return 130
    _say(f"wrote {results} and {page}")
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)


def _servers(
    needed: Container[str], problems: Sequence[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Version and set-up of the servers that are here, and a line for each that is missing."""
    present: dict[str, dict[str, str]] = {}
    absent = list(problems)
    for kind in (kind for kind in KINDS if kind.name in needed):
        try:
            present[kind.name] = {"version": kind.version(), "configuration": kind.configuration}
        except (Missing, OSError) as reason:
            absent.append(f"{kind.name}: {reason}")
    return present, absent


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


def _workloads() -> Iterator[str]:
    """A line for each workload, and one for each group of them."""
    workloads = [step.workload for step in plan(quick=False, soak=True)]
    for key, some in groupby(workloads, lambda workload: workload.group or workload.title):
        names = [workload.name for workload in some]
        name = names[0] if len(names) == 1 else f"{names[0]} … {names[-1].rpartition('-')[2]}"
        yield textwrap.fill(f"{name:<32}{key}", 98, initial_indent="  ", subsequent_indent=" " * 34)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=DESCRIPTION,
        epilog="workloads:\n" + "\n".join(_workloads()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="the headlines once, with a short claim: 2 minutes"
    )
    parser.add_argument(
        "--soak",
        action="store_true",
        help="also the memory of a plant and of full windows: 8 minutes",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="workloads whose name begins so; may be given again",
    )
    parser.add_argument(
        "--rounds", type=int, help=f"rounds of the comparisons that have a target ({ROUNDS})"
    )
    parser.add_argument(
        "--engine", action="store_true", help="the engine alone, and plain Python: 8 minutes"
    )
    parser.add_argument("--page", action="store_true", help="only write the page from the JSON")
    parser.add_argument(
        "--into", type=Path, default=DOCS, metavar="FOLDER", help="where to write (docs)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
