"""All benchmarks in one go: `scripts/bench [--quick] [--only NAME]…`.

Writes docs/benchmarks.json, and docs/benchmarks.md with its charts from it. With `--page` it only
writes the page anew from the JSON.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import broker, product
from benchmarks.measure import Snapshot, machine
from benchmarks.page import OURS, write_page
from benchmarks.peers import Missing, Server
from benchmarks.peers.installed import install
from benchmarks.series import Series, measure
from benchmarks.trial import Build, Workload

DOCS = Path(__file__).parents[1] / "docs"
ROUNDS = 5
"""Rounds of the headline comparisons in a whole run; everything else runs once."""

Plan = list[tuple[Workload, Mapping[str, Build], int]]


def plan(quick: bool, rounds: int) -> Plan:
    """What is run, against which servers, how often."""
    found: Plan = [
        (workload, product.products(int(str(workload.load["qos"]))), rounds)
        for workload in product.headlines(quick)
    ]
    found += [(workload, broker.BROKERS, rounds) for workload in broker.headlines(quick)]
    if quick:
        return found
    found += [(workload, broker.BROKERS, 1) for workload in broker.details()]
    found.append((product.storm(), product.products(1), 1))
    found += [(workload, product.with_consumer(1), 1) for workload in product.growth()]
    found += [(workload, product.OURS, 1) for workload in product.sizes()]
    found += [(workload, builds, 1) for workload, builds in product.rules()]
    found.append((product.claim(), product.OURS, 1))
    return found


def main() -> int:
    args = _arguments()
    results = DOCS / "benchmarks.json"
    if args.page:
        write_page(json.loads(results.read_text()), DOCS / "benchmarks.md")
        return 0
    missing = install()
    servers, absent = _servers(missing)
    busy = _busy_before()
    series: list[Series] = []
    rounds = args.rounds or (1 if args.quick else ROUNDS)
    for workload, builds, times in plan(args.quick, rounds):
        if args.only and not any(workload.name.startswith(name) for name in args.only):
            continue
        present = {name: build for name, build in builds.items() if name in servers}
        series.append(measure(workload, present, times, _say))
    report = {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "quick": args.quick,
        "rounds": rounds,
        "python": platform.python_version(),
        "machine": machine(),
        "busy_before": round(busy, 3),
        "servers": servers,
        "missing": absent,
        "series": [one.as_json(OURS) for one in series],
    }
    results.write_text(json.dumps(report, indent=1) + "\n")
    write_page(report, DOCS / "benchmarks.md")
    _say(f"wrote {results} and {DOCS / 'benchmarks.md'}")
    return 0


def _servers(problems: list[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Version and set-up of the servers that are here, and a line for each that is missing."""
    present: dict[str, dict[str, str]] = {}
    absent = list(problems)
    for kind in _kinds():
        try:
            present[kind.name] = {"version": kind.version(), "configuration": kind.configuration}
        except Missing as reason:
            absent.append(str(reason))
    return present, absent


def _kinds() -> list[type[Server]]:
    from benchmarks import peers

    return [
        peers.Tocsin,
        peers.Mosquitto,
        peers.MosquittoWithConsumer,
        peers.NodeRed,
        peers.Amqtt,
    ]


def _busy_before() -> float:
    """How busy others keep the machine while we do nothing."""
    before = Snapshot.take({})
    time.sleep(2.0)
    return Snapshot.take({}).busy_since(before)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=DOCS.parent, check=False)
    return found.stdout.strip() or "unknown"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the headline comparisons, one round")
    parser.add_argument("--only", action="append", help="workloads whose name begins so")
    parser.add_argument(
        "--rounds", type=int, help="rounds of the headline comparisons (5; quick: 1)"
    )
    parser.add_argument("--page", action="store_true", help="only write the page from the JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
